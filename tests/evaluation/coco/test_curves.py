"""Precision-recall curves against pycocotools."""

import numpy as np
import pytest
import torch
from coco_datasets import pycocotools_stats, random_dataset

from detectory import ops
from detectory.evaluation import CocoGroundTruth, CocoSettings
from detectory.evaluation.coco.curves import precision_recall_curves
from detectory.evaluation.coco.matching import CocoObjects, group_by_image, match_groups
from detectory.evaluation.coco.results_file import load_results


def curves_of(ground_truth, results):
    index = CocoGroundTruth(ground_truth)
    detections, settings = load_results(results, index, "bbox"), CocoSettings()
    objects = CocoObjects.from_ground_truth(index)
    groups = group_by_image(index, objects, detections, 100)
    boxes, object_boxes = detections.boxes[groups.detections], objects.boxes[groups.objects]
    starts = torch.from_numpy(groups.detection_starts), torch.from_numpy(groups.object_starts)
    crowd = torch.from_numpy(objects.crowd[groups.objects])
    ious = ops.grouped_box_iou(torch.from_numpy(boxes), torch.from_numpy(object_boxes), crowd, *starts)
    areas, sizes = list(settings.area_ranges.values()), boxes[:, 2] * boxes[:, 3]
    matches = match_groups(groups, ious, settings.iou_thresholds, areas, sizes, objects)
    scores = detections.scores[groups.detections]
    return precision_recall_curves(groups, scores, matches, [1, 10, 100], num_categories=3)


@pytest.mark.parametrize("seed", range(12))
def test_curves_equal_pycocotools_exactly(seed):
    ground_truth, results = random_dataset(seed)
    expected, curves = pycocotools_stats(ground_truth, results, "bbox")[1], curves_of(ground_truth, results)
    for name in ("precision", "recall", "scores"):
        assert (curves[name] == expected[name]).all(), name


def test_groups_without_categories_are_images():
    ground_truth, results = random_dataset(3)
    index = CocoGroundTruth(ground_truth)
    detections, objects = load_results(results, index, "bbox"), CocoObjects.from_ground_truth(index)
    groups = group_by_image(index, objects, detections, 5, image_ids=[2, 4], by_category=False)
    assert groups.images.tolist() == [0, 1]
    assert set(detections.image_ids[groups.detections].tolist()) == {2, 4}
    assert np.diff(groups.detection_starts).max() <= 5


def test_rejects_boxes_with_three_values():
    ground_truth = random_dataset(4)[0]
    index = CocoGroundTruth(ground_truth)
    ground_truth["annotations"][2]["bbox"] = [1, 2, 3]
    with pytest.raises(ValueError, match=r"annotations\[2\]: field 'bbox' has 3 values, expected 4 or 5"):
        CocoObjects.from_ground_truth(index)
