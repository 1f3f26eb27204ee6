"""LVIS metrics against the `lvis` package."""

import math

import numpy as np
import pytest
from coco_datasets import write_json
from lvis_datasets import lvis_dataset, official_metrics

from detectory.evaluation import Detections, LVISEvaluator, evaluate_lvis_results
from detectory.evaluation.coco.lvis import top_per_class


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(25))
def test_metrics_equal_the_official_package(tmp_path, monkeypatch, iou_type, seed):
    ground_truth, results = lvis_dataset(seed, iou_type)
    expected = official_metrics(
        write_json(tmp_path / "ground_truth.json", ground_truth), results, iou_type, 5, monkeypatch
    )
    metrics = evaluate_lvis_results(ground_truth, results, iou_type, max_dets_per_image=5)
    assert {n: -1 if math.isnan(v) else v / 100 for n, v in metrics.items()} == pytest.approx(
        {name: expected[name] for name in metrics}, abs=1e-12
    )


def test_top_per_class_keeps_the_highest_scores():
    detections = Detections(np.arange(5), np.array([1, 2, 1, 1, 2]), np.array([0.1, 0.9, 0.5, 0.5, 0.2]))
    assert top_per_class(detections, 2).image_ids.tolist() == [1, 2, 3, 4]


def test_limit_per_class_replaces_limit_per_image():
    ground_truth, results = lvis_dataset(3, "bbox")
    unlimited = evaluate_lvis_results(ground_truth, results, "bbox", max_dets_per_image=10000)
    fixed = evaluate_lvis_results(ground_truth, results, "bbox", max_dets_per_image=1, max_dets_per_class=10000)
    assert fixed == pytest.approx(unlimited, nan_ok=True)


def test_evaluates_a_registered_dataset(registered, tmp_path):
    from coco_outputs import evaluated_with, model_outputs

    ground_truth, results = lvis_dataset(4, "bbox")
    classes = {"thing_classes": list("abcde"), "thing_dataset_id_to_contiguous_id": {2 * k + 1: k for k in range(5)}}
    name = registered(json_file=str(write_json(tmp_path / "ground_truth.json", ground_truth)), **classes)
    evaluator = LVISEvaluator(name, output_dir=str(tmp_path / "out"), max_dets_per_image=10)
    metrics = evaluated_with(evaluator, *model_outputs(ground_truth, results, "bbox"))["bbox"]
    expected = evaluate_lvis_results(ground_truth, tmp_path / "out" / "lvis_instances_results.json", "bbox", 10)
    assert metrics == pytest.approx(expected, nan_ok=True)
