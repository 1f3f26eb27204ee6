"""COCO metrics of rotated boxes."""

import numpy as np
import pytest
import torch
from coco_outputs import evaluated_with
from rotated_datasets import pycocotools_metrics, random_rotated_dataset, to_detections

from detectory.evaluation import CocoGroundTruth, RotatedCOCOEvaluator
from detectory.evaluation.coco.rotated import rotated_coco_metrics
from detectory.structures import Instances, RotatedBoxes


def measured(ground_truth, results):
    return rotated_coco_metrics(CocoGroundTruth(ground_truth), to_detections(results))


@pytest.mark.parametrize("seed", range(8))
def test_metrics_equal_pycocotools_with_rotated_iou(seed):
    ground_truth, results = random_rotated_dataset(seed)
    assert measured(ground_truth, results).stats() == pycocotools_metrics(ground_truth, results)


def test_metrics_are_invariant_to_rotation():
    ground_truth, results = random_rotated_dataset(9)
    before = measured(ground_truth, results).stats()
    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    for entry in ground_truth["annotations"] + results:
        x, y, w, h, angle = entry["bbox"]
        entry["bbox"] = [c * x + s * y, -s * x + c * y, w, h, angle + 30]
    after = measured(ground_truth, results).stats()
    assert after == pytest.approx(before, abs=1e-9)


def test_iou_with_a_crowd_is_over_the_area_of_the_detection():
    image = {"id": 1, "height": 99, "width": 99}
    crowd = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [50, 50, 80, 80, 45], "area": 6400, "iscrowd": 1}
    one = {"id": 2, "image_id": 1, "category_id": 1, "bbox": [10, 10, 8, 8, 0], "area": 64, "iscrowd": 0}
    ground_truth = {"images": [image], "categories": [{"id": 1, "name": "a"}], "annotations": [crowd, one]}
    results = [
        {"image_id": 1, "category_id": 1, "score": s, "bbox": [*crowd["bbox"][:2], 9, 9, 20]} for s in (0.9, 0.8)
    ]
    results.append({"image_id": 1, "category_id": 1, "score": 0.7, "bbox": one["bbox"]})
    assert rotated_coco_metrics(
        CocoGroundTruth(ground_truth), to_detections(results)
    ).average_precision() == pytest.approx(1)


def outputs_of(ground_truth, results):
    outputs = []
    for image in ground_truth["images"]:
        of_image = [r for r in results if r["image_id"] == image["id"]]
        instances = Instances((image["height"], image["width"]))
        instances.scores = torch.tensor([r["score"] for r in of_image], dtype=torch.float64)
        instances.pred_classes = torch.tensor([r["category_id"] // 2 for r in of_image], dtype=torch.int64)
        instances.pred_boxes = RotatedBoxes(torch.tensor([r["bbox"] for r in of_image]).reshape(-1, 5))
        outputs.append({"instances": instances})
    return [{"image_id": image["id"]} for image in ground_truth["images"]], outputs


def test_metrics_of_outputs_equal_those_of_results(registered_coco):
    ground_truth, results = random_rotated_dataset(10)
    name = registered_coco(ground_truth)
    metrics = evaluated_with(RotatedCOCOEvaluator(name), *outputs_of(ground_truth, results))["bbox"]
    expected = measured(ground_truth, results).summary()
    assert {key: metrics[key] for key in expected} == pytest.approx(expected, abs=1e-3, nan_ok=True)


def test_results_have_rotated_boxes(registered):
    instances = Instances((10, 10))
    instances.scores, instances.pred_classes = torch.tensor([0.5]), torch.tensor([2])
    instances.pred_boxes = RotatedBoxes(torch.tensor([[5.0, 5, 4, 2, 30]]))
    (entry,) = RotatedCOCOEvaluator(registered()).instances_to_json(instances, 3)
    assert entry == {"image_id": 3, "category_id": 2, "score": 0.5, "bbox": [5, 5, 4, 2, 30]}


def test_rejects_tasks_other_than_bbox(registered):
    with pytest.raises(ValueError, match=r"tasks must be among \('bbox',\), got 'segm'"):
        RotatedCOCOEvaluator(registered(), tasks=("segm",))
