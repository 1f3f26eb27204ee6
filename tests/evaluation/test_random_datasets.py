"""Every metric on 500 random datasets with crowds, ignored objects, empty images, ties and many detections."""

import copy
import math
from pathlib import Path

import numpy as np
import pytest
from cityscapes_checks import check_instances, check_labels
from coco_datasets import pycocotools_stats, random_dataset, write_json
from label_maps import random_labels, slow_boundary
from lvis_datasets import lvis_dataset, official_metrics
from panoptic_segmentations import CATEGORIES, metrics_of, random_pair, save, slow_panoptic_quality
from rotated_datasets import pycocotools_metrics, random_rotated_dataset, to_detections
from voc_datasets import random_voc, slow_outcomes

from detectory.evaluation import CocoGroundTruth, CocoSettings, coco_metrics, evaluate_lvis_results, panoptic_quality
from detectory.evaluation.coco.results_file import load_results
from detectory.evaluation.coco.rotated import rotated_coco_metrics
from detectory.evaluation.pascal_voc import voc_precision_recall
from detectory.evaluation.semantic_segmentation import boundary_counts, pixel_confusion, segmentation_metrics

pytestmark = pytest.mark.slow
SEEDS = range(1000, 1500)


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
def test_coco_equals_pycocotools(iou_type):
    for seed in SEEDS:
        ground_truth, results = random_dataset(seed, iou_type)
        index = CocoGroundTruth(copy.deepcopy(ground_truth))
        metrics = coco_metrics(index, load_results(results, index, iou_type), iou_type)
        stats, curves = pycocotools_stats(ground_truth, results, iou_type)
        assert metrics.stats() == stats, seed
        if iou_type != "keypoints":
            assert list((metrics.precomputed_summary or {}).values()) == [v if v > -1 else math.nan for v in stats], (
                seed
            )
        assert (metrics.precision == curves["precision"]).all(), seed
        assert (metrics.recall == curves["recall"]).all(), seed


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
def test_coco_equals_pycocotools_with_other_settings(iou_type):
    settings = CocoSettings([0.3, 0.5, 0.8], max_detections=(1, 2, 4), oks_sigmas=np.linspace(0.03, 0.1, 17).tolist())
    for seed in SEEDS:
        ground_truth, results = random_dataset(seed, iou_type, images=3, classes=2, max_objects=14)
        index = CocoGroundTruth(ground_truth)
        detections = load_results(results, index, iou_type)
        fast, slow = (coco_metrics(index, detections, iou_type, settings, use_pycocotools=r) for r in (False, True))
        assert (fast.precision == slow.precision).all(), seed
        assert (fast.recall == slow.recall).all(), seed


def test_rotated_boxes_equal_pycocotools_with_rotated_iou():
    for seed in SEEDS:
        ground_truth, results = random_rotated_dataset(seed)
        if results:
            metrics = rotated_coco_metrics(CocoGroundTruth(ground_truth), to_detections(results))
            assert metrics.stats() == pycocotools_metrics(ground_truth, results), seed


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_lvis_equals_the_official_package(tmp_path, monkeypatch, iou_type):
    for seed in SEEDS:
        ground_truth, results = lvis_dataset(seed, iou_type)
        expected = official_metrics(
            write_json(tmp_path / "ground_truth.json", ground_truth), results, iou_type, 5, monkeypatch
        )
        metrics = evaluate_lvis_results(ground_truth, results, iou_type, max_dets_per_image=5)
        fractions = {name: -1 if math.isnan(value) else value / 100 for name, value in metrics.items()}
        assert fractions == pytest.approx({name: expected[name] for name in metrics}, abs=1e-12), seed


def test_panoptic_quality_equals_the_slow_implementation(tmp_path):
    for seed in SEEDS:
        ground_truths, predictions = random_pair(seed)
        ground_truth, ground_truth_folder = save(tmp_path / f"{seed} a", ground_truths, CATEGORIES)
        predicted, predicted_folder = save(tmp_path / f"{seed} b", predictions, CATEGORIES)
        metrics = panoptic_quality(ground_truth, predicted, ground_truth_folder, predicted_folder)
        sums = slow_panoptic_quality(ground_truths, predictions)
        for suffix, groups in (("", (0, 1)), ("_th", (1,)), ("_st", (0,))):
            measured = [metrics[f"{name}{suffix}"] for name in ("PQ", "SQ", "RQ")]
            expected = metrics_of(sums, lambda c, groups=groups: c["isthing"] in groups)
            assert measured == pytest.approx(expected, abs=1e-9, nan_ok=True), seed


@pytest.mark.parametrize("threshold", [0.5, 0.75])
def test_voc_equals_slow_matching_over_sets_of_pixels(threshold):
    for seed in SEEDS:
        ground_truth, detections, rows = random_voc(seed)
        num_objects = sum(int((~t.difficult).sum()) for t in ground_truth.values())
        outcomes = slow_outcomes(ground_truth, rows, threshold)
        tp, fp = np.cumsum([o is True for o in outcomes]), np.cumsum([o is False for o in outcomes])
        recall, precision = voc_precision_recall(ground_truth, detections, threshold)
        if num_objects:
            assert recall.tolist() == (tp / num_objects).tolist(), seed
            assert precision.tolist() == (tp / np.maximum(tp + fp, np.finfo(float).eps)).tolist(), seed
        else:
            assert np.isnan(recall).all(), seed


def test_semantic_metrics_equal_slow_counts():
    for seed in SEEDS:
        predicted, ground_truth = random_labels(seed, classes=4), random_labels(seed + 7, classes=4, none=True)
        metrics = segmentation_metrics(
            pixel_confusion(predicted, ground_truth, 4), boundary_counts(predicted, ground_truth, 4), list("abcd")
        )
        is_labelled, near_predicted, near_true = ground_truth < 4, slow_boundary(predicted), slow_boundary(ground_truth)
        for label, name in enumerate("abcd"):
            a, b = (predicted == label) & is_labelled, ground_truth == label
            assert metrics[f"IoU-{name}"] == pytest.approx(100 * fraction(a & b, a | b, b), nan_ok=True), seed
            assert metrics[f"ACC-{name}"] == pytest.approx(100 * fraction(a & b, b, b), nan_ok=True), seed
            predicted_edge, true_edge = a & near_predicted, b & near_true
            expected = 100 * fraction(predicted_edge & true_edge, predicted_edge | true_edge, b)
            assert metrics[f"BoundaryIoU-{name}"] == pytest.approx(expected, nan_ok=True), seed


def fraction(part, whole, occurs):
    """Fraction of the pixels of one mask in another, NaN for classes that do not occur."""
    return part.sum() / whole.sum() if occurs.any() else math.nan


@pytest.mark.parametrize("check", [check_instances, check_labels], ids=["instances", "labels"])
def test_cityscapes_equals_the_official_scripts(tmp_path: Path, registered, check):
    for seed in SEEDS:
        (tmp_path / str(seed)).mkdir()
        check(tmp_path / str(seed), registered, seed)
