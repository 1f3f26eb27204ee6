"""Recall of proposals, against a loop that anybody can read."""

import numpy as np
import pytest
import torch
from coco_datasets import random_set, write
from coco_outputs import CLASSES, evaluated_with, proposals_near

from detectory.evaluation import COCOEvaluator
from detectory.structures import Boxes, Instances


def iou(one, other):
    w = max(min(one[2], other[2]) - max(one[0], other[0]), 0)
    h = max(min(one[3], other[3]) - max(one[1], other[1]), 0)
    area = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return w * h / (area - w * h)


def slow_recall(truth, outputs, low, high, limit):
    """Average recall in percent."""
    covered = []
    for image, output in zip(truth["images"], outputs, strict=True):
        found = output["proposals"]
        best = sorted(range(len(found)), key=lambda i: -float(found.objectness_logits[i]))[:limit]
        free = [found.proposal_boxes.tensor[i].double().tolist() for i in best]
        mine = [a for a in truth["annotations"] if a["image_id"] == image["id"] and not a["iscrowd"]]
        objects = [a["bbox"] for a in mine if low <= a["area"] <= high]
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
def test_recall_equals_that_of_the_slow_loop(registered, tmp_path, seed):
    truth = random_set(seed)[0]
    name = registered(json_file=str(write(tmp_path / "truth.json", truth)), **CLASSES)
    inputs, outputs = proposals_near(truth, seed)
    figures = evaluated_with(COCOEvaluator(name), inputs, outputs)["box_proposals"]
    assert figures["AR@100"] == pytest.approx(slow_recall(truth, outputs, 0, 1e10, 100))
    assert figures["ARs@1000"] == pytest.approx(slow_recall(truth, outputs, 0, 32**2, 1000))


def test_only_the_best_proposals_count(registered, tmp_path):
    truth = random_set(5)[0]
    name = registered(json_file=str(write(tmp_path / "truth.json", truth)), **CLASSES)
    outputs = []
    for image in truth["images"]:
        boxes = [a["bbox"] for a in truth["annotations"] if a["image_id"] == image["id"] and not a["iscrowd"]]
        corners = torch.tensor([[x, y, x + w, y + h] for x, y, w, h in boxes]).reshape(-1, 4)
        found = Instances((image["height"], image["width"]))
        found.proposal_boxes = Boxes(torch.cat([torch.zeros(100, 4), corners]))
        found.objectness_logits = -torch.arange(len(found.proposal_boxes)).float()
        outputs.append({"proposals": found})
    inputs = [{"image_id": image["id"]} for image in truth["images"]]
    figures = evaluated_with(COCOEvaluator(name), inputs, outputs)["box_proposals"]
    assert (figures["AR@100"], figures["AR@1000"]) == (0, 100)


def test_an_area_without_objects_has_no_recall(registered, tmp_path):
    truth = random_set(6)[0]
    name = registered(json_file=str(write(tmp_path / "truth.json", truth)), **CLASSES)
    figures = evaluated_with(COCOEvaluator(name), *proposals_near(truth, 6))["box_proposals"]
    assert np.isnan(figures["AR512-inf@100"])
