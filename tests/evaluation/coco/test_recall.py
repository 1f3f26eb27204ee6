"""Average recall of proposals against a slow loop."""

import numpy as np
import pytest
import torch
from coco_datasets import random_dataset
from coco_outputs import evaluated_with, proposals_near

from detectory.evaluation import COCOEvaluator
from detectory.structures import Boxes, Instances


def iou(one, other):
    w = max(min(one[2], other[2]) - max(one[0], other[0]), 0)
    h = max(min(one[3], other[3]) - max(one[1], other[1]), 0)
    area = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return w * h / (area - w * h)


def slow_recall(ground_truth, outputs, low, high, limit):
    """Average recall in percent."""
    covered = []
    for image, output in zip(ground_truth["images"], outputs, strict=True):
        proposals = output["proposals"]
        best = sorted(range(len(proposals)), key=lambda i: -float(proposals.objectness_logits[i]))[:limit]
        free = [proposals.proposal_boxes.tensor[i].double().tolist() for i in best]
        of_image = [a for a in ground_truth["annotations"] if a["image_id"] == image["id"] and not a["iscrowd"]]
        objects = [a["bbox"] for a in of_image if low <= a["area"] <= high]
        objects = [[x, y, x + w, y + h] for x, y, w, h in objects]
        while objects:
            overlap, o, p = max(
                [(iou(a, b), o, p) for o, a in enumerate(objects) for p, b in enumerate(free)] or [(0, 0, None)]
            )
            covered.append(overlap)
            objects.pop(o)
            if p is not None:
                free.pop(p)
    return 100 * np.mean([[c >= t for c in covered] for t in np.arange(0.5, 0.96, 0.05)])


@pytest.mark.parametrize("seed", range(4))
def test_recall_equals_the_slow_loop(registered_coco, seed):
    ground_truth = random_dataset(seed)[0]
    name = registered_coco(ground_truth)
    inputs, outputs = proposals_near(ground_truth, seed)
    metrics = evaluated_with(COCOEvaluator(name), inputs, outputs)["box_proposals"]
    assert metrics["AR@100"] == pytest.approx(slow_recall(ground_truth, outputs, 0, 1e10, 100))
    assert metrics["ARs@1000"] == pytest.approx(slow_recall(ground_truth, outputs, 0, 32**2, 1000))


def test_proposals_beyond_the_limit_do_not_count(registered_coco):
    ground_truth = random_dataset(5)[0]
    name = registered_coco(ground_truth)
    outputs = []
    for image in ground_truth["images"]:
        boxes = [a["bbox"] for a in ground_truth["annotations"] if a["image_id"] == image["id"] and not a["iscrowd"]]
        corners = torch.tensor([[x, y, x + w, y + h] for x, y, w, h in boxes]).reshape(-1, 4)
        proposals = Instances((image["height"], image["width"]))
        proposals.proposal_boxes = Boxes(torch.cat([torch.zeros(100, 4), corners]))
        proposals.objectness_logits = -torch.arange(len(proposals.proposal_boxes)).float()
        outputs.append({"proposals": proposals})
    inputs = [{"image_id": image["id"]} for image in ground_truth["images"]]
    metrics = evaluated_with(COCOEvaluator(name), inputs, outputs)["box_proposals"]
    assert (metrics["AR@100"], metrics["AR@1000"]) == (0, 100)


def test_recall_without_objects_is_nan(registered_coco):
    ground_truth = random_dataset(6)[0]
    name = registered_coco(ground_truth)
    metrics = evaluated_with(COCOEvaluator(name), *proposals_near(ground_truth, 6))["box_proposals"]
    assert np.isnan(metrics["AR512-inf@100"])
