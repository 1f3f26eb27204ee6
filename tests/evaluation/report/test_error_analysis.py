"""Outcomes of detections and objects, and the confusion matrix."""

import numpy as np
import pytest
from coco_datasets import random_dataset
from pycocotools import mask as mask_api

from detectory.evaluation import CocoGroundTruth, coco_metrics
from detectory.evaluation.coco.results_file import load_results
from detectory.evaluation.report.error_analysis import (
    CORRECT,
    IGNORED,
    OUTCOMES,
    best_f1_threshold,
    confusion_matrix,
    find_errors,
)
from detectory.evaluation.report.shapes import object_masks


def one_image(objects, detections):
    """Ground truth of (class, box, crowd) and detections of (class, box, score)."""
    dataset = {"images": [{"id": 1, "height": 200, "width": 200}], "annotations": []}
    dataset["categories"] = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    for index, (category, box, crowd) in enumerate(objects):
        entry = {"id": index + 1, "image_id": 1, "category_id": category, "bbox": box, "iscrowd": crowd}
        dataset["annotations"].append(entry | {"area": box[2] * box[3]})
    results = [{"image_id": 1, "category_id": c, "bbox": b, "score": s} for c, b, s in detections]
    ground_truth = CocoGroundTruth(dataset)
    return ground_truth, load_results(results, ground_truth, "bbox")


def random_case(seed, iou_type="bbox"):
    dataset, results = random_dataset(seed, iou_type, images=12)
    ground_truth = CocoGroundTruth(dataset)
    detections = load_results(results, ground_truth, iou_type)
    return ground_truth, detections, find_errors(ground_truth, detections, iou_type)


OBJECTS = [(1, [10, 10, 40, 40], 0), (2, [80, 10, 40, 40], 0), (1, [10, 100, 60, 60], 1), (2, [140, 140, 40, 40], 0)]
DETECTIONS = {
    "correct": (1, [10, 10, 40, 38], 0.9),
    "duplicate": (1, [12, 10, 40, 40], 0.8),
    "confusion": (1, [80, 10, 40, 40], 0.7),
    "localisation": (2, [160, 140, 40, 40], 0.6),
    "background": (2, [180, 0, 10, 10], 0.5),
    "ignored": (1, [15, 105, 20, 20], 0.4),
}


def test_distinguishes_all_outcomes():
    errors = find_errors(*one_image(OBJECTS, DETECTIONS.values()), "bbox")
    assert [OUTCOMES[outcome] for outcome in errors.outcomes] == list(DETECTIONS)
    assert errors.matched_objects.tolist() == [0, 0, 1, 3, -1, 2]
    assert errors.matched_detections.tolist() == [0, -1, -1, -1]
    assert errors.ious.round(2).tolist() == [0.95, 0.90, 1.0, 0.33, 0.0, 1.0]


def test_objects_detected_below_the_threshold_are_missed():
    ground_truth, detections = one_image(OBJECTS, DETECTIONS.values())
    errors = find_errors(ground_truth, detections, "bbox")
    assert errors.is_missed(detections.scores, 0.5).tolist() == [False, True, False, True]
    assert errors.is_missed(detections.scores, 0.95).tolist() == [True, True, False, True]


def test_confusion_matrix_has_true_classes_in_rows():
    ground_truth, detections = one_image(OBJECTS, DETECTIONS.values())
    errors = find_errors(ground_truth, detections, "bbox")
    matrix = confusion_matrix(ground_truth, detections, errors, score_threshold=0.5)
    assert matrix.tolist() == [[1, 0, 0], [1, 0, 1], [1, 2, 0]]


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(4))
def test_correct_detections_give_cocos_recall(iou_type, seed):
    ground_truth, detections, errors = random_case(seed, iou_type)
    metrics = coco_metrics(ground_truth, detections, iou_type)
    for k, category in enumerate(ground_truth.category_names):
        of_class = (errors.objects.categories == category) & ~errors.crowd
        assert (errors.matched_detections[of_class] >= 0).mean() == pytest.approx(metrics.recall[0, k, 0, -1])


@pytest.mark.parametrize("seed", range(4))
def test_confusion_matrix_counts_each_object_and_detection_once(seed):
    ground_truth, detections, errors = random_case(seed)
    matrix = confusion_matrix(ground_truth, detections, errors, score_threshold=0.3)
    objects = errors.objects.categories[~errors.crowd]
    assert matrix[:-1].sum(axis=1).tolist() == [(objects == c).sum() for c in ground_truth.category_names]
    is_counted = (detections.scores >= 0.3) & (errors.outcomes != IGNORED)
    assert matrix[:, :-1].sum() == is_counted.sum()


def test_best_f1_threshold_has_the_highest_f1():
    _, detections, errors = random_case(5)

    def f1(threshold):
        is_counted = (detections.scores >= threshold) & (errors.outcomes != IGNORED)
        return 2 * (is_counted & (errors.outcomes == CORRECT)).sum() / (is_counted.sum() + (~errors.crowd).sum())

    best = best_f1_threshold(errors, detections.scores)
    assert f1(best) == max(f1(score) for score in np.unique(detections.scores))


def test_without_detections_all_objects_are_missed():
    ground_truth, detections = one_image(OBJECTS, [])
    errors = find_errors(ground_truth, detections, "bbox")
    assert len(errors.outcomes) == 0
    threshold = best_f1_threshold(errors, detections.scores)
    assert errors.is_missed(detections.scores, threshold).tolist() == [True, True, False, True]


def test_object_masks_accept_polygons_and_rles():
    ground_truth, _ = one_image(OBJECTS[:3], [])
    entries = ground_truth.dataset["annotations"]
    entries[0]["segmentation"] = [[10, 10, 50, 10, 50, 50, 10, 50]]
    entries[1]["segmentation"] = {"size": [200, 200], "counts": [200, 100, 39700]}
    masks = object_masks(ground_truth)
    assert [mask["size"] for mask in masks] == [[200, 200]] * 3
    assert masks[1] == mask_api.frPyObjects(entries[1]["segmentation"], 200, 200)
    assert [int(mask_api.area(dict(mask))) for mask in masks] == [1600, 100, 0]
