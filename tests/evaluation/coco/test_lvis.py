"""LVIS's metrics equal those of its own package."""

import math

import numpy as np
import pytest
from coco_datasets import write
from lvis_datasets import lvis_set, official

from detectory.evaluation import Detections, LVISEvaluator, evaluate_lvis_results
from detectory.evaluation.coco.lvis import best_of_each_class


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(25))
def test_figures_equal_the_official_package(tmp_path, monkeypatch, iou_type, seed):
    truth, results = lvis_set(seed, iou_type)
    expected = official(write(tmp_path / "truth.json", truth), results, iou_type, 5, monkeypatch)
    figures = evaluate_lvis_results(truth, results, iou_type, max_dets_per_image=5)
    assert {n: -1 if math.isnan(v) else v / 100 for n, v in figures.items()} == pytest.approx(
        {name: expected[name] for name in figures}, abs=1e-12
    )


def test_the_limit_per_class_keeps_the_best_of_the_whole_dataset():
    found = Detections(np.arange(5), np.array([1, 2, 1, 1, 2]), np.array([0.1, 0.9, 0.5, 0.5, 0.2]))
    assert best_of_each_class(found, 2).image_ids.tolist() == [1, 2, 3, 4]


def test_a_limit_per_class_lifts_the_limit_per_image():
    truth, results = lvis_set(3, "bbox")
    free = evaluate_lvis_results(truth, results, "bbox", max_dets_per_image=10000)
    fixed = evaluate_lvis_results(truth, results, "bbox", max_dets_per_image=1, max_dets_per_class=10000)
    assert fixed == pytest.approx(free, nan_ok=True)


def test_a_registered_dataset_is_evaluated_and_saved(registered, tmp_path):
    from coco_outputs import evaluated_with, model_outputs

    truth, results = lvis_set(4, "bbox")
    classes = {"thing_classes": list("abcde"), "thing_dataset_id_to_contiguous_id": {2 * k + 1: k for k in range(5)}}
    name = registered(json_file=str(write(tmp_path / "truth.json", truth)), **classes)
    evaluator = LVISEvaluator(name, output_dir=str(tmp_path / "out"), max_dets_per_image=10)
    figures = evaluated_with(evaluator, *model_outputs(truth, results, "bbox"))["bbox"]
    expected = evaluate_lvis_results(truth, tmp_path / "out" / "lvis_instances_results.json", "bbox", 10)
    assert figures == pytest.approx(expected, nan_ok=True)
