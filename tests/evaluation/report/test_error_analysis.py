"""What became of each detection and each object."""

import numpy as np
import pytest
from coco_datasets import random_set

from detectory.evaluation import CocoGroundTruth, coco_metrics
from detectory.evaluation.coco.results_file import load_results
from detectory.evaluation.report.error_analysis import (
    KINDS,
    best_threshold,
    confusion_counts,
    find_errors,
    object_masks,
)


def one_image(objects, detections):
    """A ground truth of (class, box, crowd) and detections of (class, box, score)."""
    truth = {"images": [{"id": 1, "height": 200, "width": 200}], "annotations": []}
    truth["categories"] = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    for index, (category, box, crowd) in enumerate(objects):
        entry = {"id": index + 1, "image_id": 1, "category_id": category, "bbox": box, "iscrowd": crowd}
        truth["annotations"].append(entry | {"area": box[2] * box[3]})
    results = [{"image_id": 1, "category_id": c, "bbox": b, "score": s} for c, b, s in detections]
    index = CocoGroundTruth(truth)
    return index, load_results(results, index, "bbox")


OBJECTS = [(1, [10, 10, 40, 40], 0), (2, [80, 10, 40, 40], 0), (1, [10, 100, 60, 60], 1), (2, [140, 140, 40, 40], 0)]
DETECTIONS = {
    "right": (1, [10, 10, 40, 38], 0.9),
    "duplicate": (1, [12, 10, 40, 40], 0.8),
    "confusion": (1, [80, 10, 40, 40], 0.7),
    "localisation": (2, [160, 140, 40, 40], 0.6),
    "background": (2, [180, 0, 10, 10], 0.5),
    "ignored": (1, [15, 105, 20, 20], 0.4),
}


def test_every_kind_of_error_is_told_apart():
    errors = find_errors(*one_image(OBJECTS, DETECTIONS.values()), "bbox")
    assert [KINDS[kind] for kind in errors.kinds] == list(DETECTIONS)
    assert errors.partners.tolist() == [0, 0, 1, 3, -1, 2]
    assert errors.found_by.tolist() == [0, -1, -1, -1]
    assert errors.overlaps.round(2).tolist() == [0.95, 0.90, 1.0, 0.33, 0.0, 1.0]


def test_what_was_found_below_the_score_is_missed():
    truth, found = one_image(OBJECTS, DETECTIONS.values())
    errors = find_errors(truth, found, "bbox")
    assert errors.missed(found.scores, 0.5).tolist() == [False, True, False, True]
    assert errors.missed(found.scores, 0.95).tolist() == [True, True, False, True]


def test_confusions_name_what_was_taken_for_what():
    truth, found = one_image(OBJECTS, DETECTIONS.values())
    matrix = confusion_counts(truth, found, find_errors(truth, found, "bbox"), 0.5)
    assert matrix.tolist() == [[1, 0, 0], [1, 0, 1], [1, 2, 0]]


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(4))
def test_right_detections_are_those_of_the_recall(iou_type, seed):
    truth, results = random_set(seed, iou_type, images=12)
    index = CocoGroundTruth(truth)
    found = load_results(results, index, iou_type)
    errors, metrics = find_errors(index, found, iou_type), coco_metrics(index, found, iou_type)
    for k, category in enumerate(index.category_names):
        mine = (errors.objects.categories == category) & ~errors.crowd
        assert (errors.found_by[mine] >= 0).mean() == pytest.approx(metrics.recall[0, k, 0, -1])


@pytest.mark.parametrize("seed", range(4))
def test_every_object_and_every_detection_is_in_the_matrix_once(seed):
    truth, results = random_set(seed, images=12)
    index = CocoGroundTruth(truth)
    found = load_results(results, index, "bbox")
    errors = find_errors(index, found, "bbox")
    matrix = confusion_counts(index, found, errors, 0.3)
    objects = errors.objects.categories[~errors.crowd]
    assert matrix[:-1].sum(axis=1).tolist() == [(objects == c).sum() for c in index.category_names]
    counted = (found.scores >= 0.3) & (errors.kinds != KINDS.index("ignored"))
    assert matrix[:, :-1].sum() == counted.sum()


def test_the_best_threshold_has_the_highest_f1():
    truth, results = random_set(5, images=12)
    index = CocoGroundTruth(truth)
    found = load_results(results, index, "bbox")
    errors = find_errors(index, found, "bbox")

    def f1(least):
        sure = (found.scores >= least) & (errors.kinds != KINDS.index("ignored"))
        return 2 * (sure & (errors.kinds == 0)).sum() / (sure.sum() + (~errors.crowd).sum())

    assert f1(best_threshold(errors, found.scores)) == max(f1(score) for score in np.unique(found.scores))


def test_no_detections_are_no_errors():
    truth, found = one_image(OBJECTS, [])
    errors = find_errors(truth, found, "bbox")
    assert len(errors.kinds) == 0
    assert errors.missed(found.scores, best_threshold(errors, found.scores)).tolist() == [True, True, False, True]


def test_masks_come_from_polygons_and_from_both_kinds_of_run_lengths():
    truth, _ = one_image(OBJECTS[:3], [])
    entries = truth.dataset["annotations"]
    entries[0]["segmentation"] = [[10, 10, 50, 10, 50, 50, 10, 50]]
    entries[1]["segmentation"] = {"size": [200, 200], "counts": [200, 100, 39700]}
    masks = object_masks(truth)
    assert [mask["size"] for mask in masks] == [[200, 200]] * 3
    from pycocotools import mask as mask_api

    assert masks[1] == mask_api.frPyObjects(entries[1]["segmentation"], 200, 200)
    assert [int(mask_api.area(dict(mask))) for mask in masks] == [1600, 100, 0]
