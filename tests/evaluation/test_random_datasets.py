"""Five hundred random sets a metric without one difference: crowds, ignored, empty images, ties, many detections."""

import copy
import math
from pathlib import Path

import numpy as np
import pytest
from cityscapes_checks import check_instances, check_labels
from coco_datasets import random_set, reference_stats, write
from label_maps import random_labels, slow_boundary
from lvis_datasets import lvis_set, official
from panoptic_segmentations import CATEGORIES, figures_of, random_pair, save, slow_panoptic_quality
from rotated_datasets import detections, random_rotated_set, reference
from voc_datasets import random_voc, slow_hits

from detectory.evaluation import CocoGroundTruth, CocoSettings, coco_metrics, evaluate_lvis_results, panoptic_quality
from detectory.evaluation.coco.results_file import load_results
from detectory.evaluation.coco.rotated import rotated_coco_metrics
from detectory.evaluation.pascal_voc import voc_precision_recall
from detectory.evaluation.semantic_segmentation import boundary_counts, confusion_counts, segmentation_figures

pytestmark = pytest.mark.slow
SEEDS = range(1000, 1500)


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
def test_coco_equals_pycocotools(iou_type):
    for seed in SEEDS:
        truth, results = random_set(seed, iou_type)
        index = CocoGroundTruth(copy.deepcopy(truth))
        metrics = coco_metrics(index, load_results(results, index, iou_type), iou_type)
        stats, curves = reference_stats(truth, results, iou_type)
        assert metrics.stats() == stats, seed
        if iou_type != "keypoints":
            assert list((metrics.known or {}).values()) == [v if v > -1 else math.nan for v in stats], seed
        assert (metrics.precision == curves["precision"]).all(), seed
        assert (metrics.recall == curves["recall"]).all(), seed


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
def test_coco_equals_pycocotools_beyond_the_limits(iou_type):
    settings = CocoSettings([0.3, 0.5, 0.8], max_detections=(1, 2, 4), oks_sigmas=np.linspace(0.03, 0.1, 17).tolist())
    for seed in SEEDS:
        truth, results = random_set(seed, iou_type, images=3, classes=2, most=14)
        index = CocoGroundTruth(truth)
        found = load_results(results, index, iou_type)
        fast, slow = (coco_metrics(index, found, iou_type, settings, use_reference=r) for r in (False, True))
        assert (fast.precision == slow.precision).all(), seed
        assert (fast.recall == slow.recall).all(), seed


def test_rotated_boxes_equal_pycocotools_with_rotated_overlaps():
    for seed in SEEDS:
        truth, results = random_rotated_set(seed)
        if results:
            found = rotated_coco_metrics(CocoGroundTruth(truth), detections(results))
            assert found.stats() == reference(truth, results), seed


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_lvis_equals_the_official_package(tmp_path, monkeypatch, iou_type):
    for seed in SEEDS:
        truth, results = lvis_set(seed, iou_type)
        expected = official(write(tmp_path / "truth.json", truth), results, iou_type, 5, monkeypatch)
        figures = evaluate_lvis_results(truth, results, iou_type, max_dets_per_image=5)
        found = {name: -1 if math.isnan(value) else value / 100 for name, value in figures.items()}
        assert found == pytest.approx({name: expected[name] for name in figures}, abs=1e-12), seed


def test_panoptic_quality_equals_a_slow_reading_of_the_paper(tmp_path):
    for seed in SEEDS:
        truths, predictions = random_pair(seed)
        truth = save(tmp_path / f"{seed} a", truths, CATEGORIES)
        found = save(tmp_path / f"{seed} b", predictions, CATEGORIES)
        figures = panoptic_quality(truth[0], found[0], truth[1], found[1])
        sums = slow_panoptic_quality(truths, predictions)
        for suffix, kinds in (("", (0, 1)), ("_th", (1,)), ("_st", (0,))):
            measured = [figures[f"{name}{suffix}"] for name in ("PQ", "SQ", "RQ")]
            expected = figures_of(sums, lambda c, kinds=kinds: c["isthing"] in kinds)
            assert measured == pytest.approx(expected, abs=1e-9, nan_ok=True), seed


@pytest.mark.parametrize("threshold", [0.5, 0.75])
def test_voc_equals_a_slow_matching_over_sets_of_pixels(threshold):
    for seed in SEEDS:
        truth, found, rows = random_voc(seed)
        positives = sum(int((~t.difficult).sum()) for t in truth.values())
        outcomes = slow_hits(truth, rows, threshold)
        hits, misses = np.cumsum([o is True for o in outcomes]), np.cumsum([o is False for o in outcomes])
        recall, precision = voc_precision_recall(truth, found, threshold)
        if positives:
            assert recall.tolist() == (hits / positives).tolist(), seed
            assert precision.tolist() == (hits / np.maximum(hits + misses, np.finfo(float).eps)).tolist(), seed
        else:
            assert np.isnan(recall).all(), seed


def test_semantic_figures_equal_those_counted_class_by_class():
    for seed in SEEDS:
        found, truth = random_labels(seed, classes=4), random_labels(seed + 7, classes=4, none=True)
        figures = segmentation_figures(
            confusion_counts(found, truth, 4), boundary_counts(found, truth, 4), list("abcd")
        )
        known, near_found, near_truth = truth < 4, slow_boundary(found), slow_boundary(truth)
        for label, name in enumerate("abcd"):
            a, b = (found == label) & known, truth == label
            assert figures[f"IoU-{name}"] == pytest.approx(100 * share(a & b, a | b, b), nan_ok=True), seed
            assert figures[f"ACC-{name}"] == pytest.approx(100 * share(a & b, b, b), nan_ok=True), seed
            inside, edge = a & near_found, b & near_truth
            expected = 100 * share(inside & edge, inside | edge, b)
            assert figures[f"BoundaryIoU-{name}"] == pytest.approx(expected, nan_ok=True), seed


def share(part, whole, occurs):
    """The share of one set of pixels in another; NaN for a class that does not occur."""
    return part.sum() / whole.sum() if occurs.any() else math.nan


@pytest.mark.parametrize("check", [check_instances, check_labels], ids=["instances", "labels"])
def test_cityscapes_equals_the_official_scripts(tmp_path: Path, registered, check):
    for seed in SEEDS:
        (tmp_path / str(seed)).mkdir()
        check(tmp_path / str(seed), registered, seed)
