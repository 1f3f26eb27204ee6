"""Matching of a dataset: 500 images, 10 categories, 10 thresholds, 4 area ranges, up to 100 detections per image."""

import contextlib
import io

import faster_coco_eval
import hotcoco
import numpy as np
import pycocotools.coco
import pycocotools.cocoeval
import pytest
import torch

from detectory import ops

IMAGES, CATEGORIES, AREAS = 500, 10, [[0, 1e10], [0, 32**2], [32**2, 96**2], [96**2, 1e10]]


@pytest.fixture(scope="module")
def case():
    """Return ground truths and nearby detections as COCO annotations, sorted by image, category and score."""
    draw = np.random.default_rng(0)
    ground_truths, detections = [], []
    for image in range(1, IMAGES + 1):
        for _ in range(draw.integers(1, 15)):
            box, category = draw.random(4) * [500, 400, 150, 150] + [0, 0, 8, 8], int(draw.integers(1, CATEGORIES + 1))
            entry = {"image_id": image, "category_id": category}
            flags = {"id": len(ground_truths) + 1, "iscrowd": int(draw.random() < 0.02), "area": box[2] * box[3]}
            ground_truths.append({**entry, **flags, "bbox": box.tolist()})
            for _ in range(draw.integers(0, 8)):
                moved = box + draw.normal(0, 8, 4) * [1, 1, 0.5, 0.5]
                detections.append({**entry, "bbox": moved.tolist(), "score": float(draw.random())})
    detections.sort(key=lambda entry: (entry["image_id"], entry["category_id"], -entry["score"]))
    ground_truths.sort(key=lambda entry: (entry["image_id"], entry["category_id"]))
    return ground_truths, detections


def groups_of(entries):
    keys = [(entry["image_id"] - 1) * CATEGORIES + entry["category_id"] - 1 for entry in entries]
    counts = torch.bincount(torch.tensor(keys), minlength=IMAGES * CATEGORIES)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def prepared(ground_truths, detections):
    """Return boxes, flags and groups as tensors, as an evaluator has them."""
    dt, gt = (torch.tensor([entry["bbox"] for entry in entries]) for entries in (detections, ground_truths))
    crowd = torch.tensor([bool(entry["iscrowd"]) for entry in ground_truths])
    low, high = torch.tensor(AREAS).T[:, :, None]
    dt_area, gt_area = dt[:, 2] * dt[:, 3], torch.tensor([entry["area"] for entry in ground_truths])
    outside, ignore = (dt_area < low) | (dt_area > high), (gt_area < low) | (gt_area > high) | crowd
    return dt.double(), gt.double(), crowd, groups_of(detections), groups_of(ground_truths), outside, ignore


def ours(dt, gt, crowd, dt_groups, gt_groups, outside, ignore):
    thresholds = torch.linspace(0.5, 0.95, 10, dtype=torch.float64)
    ious = ops.grouped_box_iou(dt, gt, crowd, dt_groups, gt_groups)
    return ops.coco_match(ious, thresholds, dt_groups, gt_groups, outside, ignore, crowd)


def loaded(module, ground_truths, detections):
    images = [{"id": image + 1, "height": 500, "width": 700} for image in range(IMAGES)]
    categories = [{"id": index + 1, "name": str(index)} for index in range(CATEGORIES)]
    ground_truth = module.COCO()
    ground_truth.dataset = {"images": images, "categories": categories, "annotations": ground_truths}
    ground_truth.createIndex()
    return ground_truth, ground_truth.loadRes([dict(entry) for entry in detections])


@pytest.mark.parametrize("implementation", ["detectory", "pycocotools", "hotcoco", "faster-coco-eval"])
def test_match(benchmark, case, implementation):
    benchmark.group = "coco_match with box overlaps, 500 images"
    if implementation == "detectory":
        result = benchmark(ours, *prepared(*case))
        assert (result[0][0, 0] >= 0).sum() > 1000
        return
    with contextlib.redirect_stdout(io.StringIO()):
        if implementation == "pycocotools":
            evaluation = pycocotools.cocoeval.COCOeval(*loaded(pycocotools.coco, *case), "bbox")
        elif implementation == "hotcoco":
            evaluation = hotcoco.COCOeval(*loaded(hotcoco, *case), "bbox")
        else:
            evaluation = faster_coco_eval.COCOeval_faster(*loaded(faster_coco_eval, *case), "bbox")
        benchmark(evaluation.evaluate)
