"""Matches of `ops.coco_match` accumulate to pycocotools' curves, to the last digit."""

import numpy as np
import pytest
import torch
from coco_datasets import random_set, reference_stats

from detectory import ops
from detectory.evaluation import CocoGroundTruth, CocoSettings
from detectory.evaluation.coco.curves import precision_recall_curves
from detectory.evaluation.coco.matching import CocoObjects, group_by_image, match_groups
from detectory.evaluation.coco.results_file import load_results


def curves_of(truth, results):
    index = CocoGroundTruth(truth)
    found, objects, settings = load_results(results, index, "bbox"), CocoObjects.of(index), CocoSettings()
    groups = group_by_image(index, objects, found, 100)
    boxes, true_boxes = found.boxes[groups.found], objects.boxes[groups.objects]
    starts = torch.from_numpy(groups.found_starts), torch.from_numpy(groups.object_starts)
    crowd = torch.from_numpy(objects.crowd[groups.objects])
    overlaps = ops.grouped_box_iou(torch.from_numpy(boxes), torch.from_numpy(true_boxes), crowd, *starts)
    areas, sizes = list(settings.area_ranges.values()), boxes[:, 2] * boxes[:, 3]
    match, ignored, _, left_out = match_groups(groups, overlaps, settings.iou_thresholds, areas, sizes, objects)
    scores = found.scores[groups.found]
    return precision_recall_curves(groups, scores, match, ignored, left_out, [1, 10, 100], categories=3)


@pytest.mark.parametrize("seed", range(12))
def test_curves_equal_those_of_pycocotools(seed):
    truth, results = random_set(seed)
    expected, found = reference_stats(truth, results, "bbox")[1], curves_of(truth, results)
    for name in ("precision", "recall", "scores"):
        assert (found[name] == expected[name]).all(), name


def test_groups_without_categories_hold_whole_images():
    truth, results = random_set(3)
    index = CocoGroundTruth(truth)
    found, objects = load_results(results, index, "bbox"), CocoObjects.of(index)
    groups = group_by_image(index, objects, found, 5, image_ids=[2, 4], by_category=False)
    assert groups.images.tolist() == [0, 1]
    assert set(found.image_ids[groups.found].tolist()) == {2, 4}
    assert np.diff(groups.found_starts).max() <= 5


def test_rejects_boxes_of_another_length():
    truth = random_set(4)[0]
    index = CocoGroundTruth(truth)
    truth["annotations"][2]["bbox"] = [1, 2, 3]
    with pytest.raises(ValueError, match=r"annotations\[2\] has the bbox \[1, 2, 3\]"):
        CocoObjects.of(index)
