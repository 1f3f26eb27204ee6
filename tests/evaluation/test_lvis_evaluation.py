"""LVIS's metrics equal those of its own package."""

from __future__ import annotations

import copy
import logging
import math

import numpy as np
import pytest
from coco_sets import random_set, write

from detectory.evaluation import Detections, LVISEvaluator, evaluate_lvis_results
from detectory.evaluation.lvis_evaluation import best_of_each_class


def lvis_set(seed, iou_type):
    """A random set with absent classes, incomplete classes and frequencies."""
    truth, results = random_set(seed, iou_type, classes=5)
    rng = np.random.default_rng(seed)
    for entry in truth["annotations"]:
        entry.pop("iscrowd")
    for index, category in enumerate(truth["categories"]):
        category |= {"frequency": "rcf"[index % 3], "image_count": 3, "instance_count": 3}
    for image in truth["images"]:
        present = sorted({a["category_id"] for a in truth["annotations"] if a["image_id"] == image["id"]})
        absent = [c["id"] for c in truth["categories"] if c["id"] not in present and rng.random() < 0.5]
        incomplete = [c for c in present if rng.random() < 0.3]
        image |= {"neg_category_ids": absent, "not_exhaustive_category_ids": incomplete, "coco_url": ""}
    return truth, results


def official(path, results, iou_type, limit, monkeypatch):
    lvis = pytest.importorskip("lvis", reason="pip install lvis to compare with the official package")
    monkeypatch.setattr(np, "float", float, raising=False)  # the package needs NumPy's old name
    logging.getLogger("lvis").setLevel(logging.CRITICAL)
    index = lvis.LVIS(str(path))
    evaluation = lvis.LVISEval(index, lvis.LVISResults(index, copy.deepcopy(results), max_dets=limit), iou_type)
    evaluation.params.max_dets = limit
    evaluation.run()
    return evaluation.get_results()


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
    from test_coco_evaluator import evaluated_with, model_outputs

    truth, results = lvis_set(4, "bbox")
    classes = {"thing_classes": list("abcde"), "thing_dataset_id_to_contiguous_id": {2 * k + 1: k for k in range(5)}}
    name = registered(json_file=str(write(tmp_path / "truth.json", truth)), **classes)
    evaluator = LVISEvaluator(name, output_dir=str(tmp_path / "out"), max_dets_per_image=10)
    figures = evaluated_with(evaluator, *model_outputs(truth, results, "bbox"))["bbox"]
    expected = evaluate_lvis_results(truth, tmp_path / "out" / "lvis_instances_results.json", "bbox", 10)
    assert figures == pytest.approx(expected, nan_ok=True)
