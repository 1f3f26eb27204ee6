"""Inputs, settings and comparison of the measurements of Detectron2."""

import gzip
import importlib.util
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from detectory.core.events import EventStorage
from detectory.structures import BitMasks, Boxes, Instances, Keypoints, PolygonMasks, polygons_to_bitmask

FOLDER = Path(__file__).resolve().parents[2] / "golden" / "modeling_parity"
HEIGHT, WIDTH = 224, 288

_spec = importlib.util.spec_from_file_location("modeling_parity_fill", FOLDER / "fill.py")
fill = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fill)


def golden(name):
    """Return the properties and the arrays measured for a model."""
    key = name.replace("/", "__")
    with gzip.open(FOLDER / f"{key}.json.gz", "rt") as file:
        return json.load(file), np.load(FOLDER / f"{key}.npz")


def image(height, width, seed):
    return torch.from_numpy(np.ascontiguousarray(fill.image(height, width, seed).transpose(2, 0, 1)))


def batch(with_proposals):
    """Return two images of different size; the output of the first one is twice as large."""
    first, second = image(HEIGHT, WIDTH, 0), image(HEIGHT - 32, WIDTH - 64, 1)
    items = [
        {"image": first, "height": HEIGHT * 2, "width": WIDTH * 2},
        {"image": second, "height": HEIGHT - 32, "width": WIDTH - 64},
    ]
    for item in items if with_proposals else []:
        size = tuple(item["image"].shape[1:])
        boxes = targets(80, 0, "polygon", 5).gt_boxes
        boxes.clip(size)
        item["proposals"] = Instances(size, proposal_boxes=boxes, objectness_logits=torch.linspace(3, -3, 6))
    return items


def targets(num_classes, num_keypoints, mask_format, seed, size=(HEIGHT, WIDTH)):
    """Return six objects. The measurements depend on the order of the random draws."""
    rng = np.random.default_rng(seed)
    n = 6
    x, y = rng.uniform(0, WIDTH * 0.6, n), rng.uniform(0, HEIGHT * 0.6, n)
    w, h = rng.uniform(20, WIDTH * 0.38, n), rng.uniform(20, HEIGHT * 0.38, n)
    boxes = np.stack([x, y, x + w, y + h], 1).astype(np.float32)
    objects = Instances(size, gt_boxes=Boxes(torch.from_numpy(boxes)))
    objects.gt_classes = torch.from_numpy(rng.integers(0, num_classes, n))
    diamonds = [
        [np.array([a, (c + d) / 2, (a + e) / 2, c, e, (c + d) / 2, (a + e) / 2, d], np.float64)] for a, c, e, d in boxes
    ]
    objects.gt_masks = PolygonMasks(diamonds)
    if mask_format == "bitmask":
        bits = torch.stack([torch.from_numpy(polygons_to_bitmask(p, HEIGHT, WIDTH)) for p in diamonds])
        objects.gt_masks = BitMasks(bits[:, : size[0], : size[1]].contiguous())
    if num_keypoints:
        points = np.full((n, num_keypoints, 3), 2, np.float32)
        for axis in (0, 1):
            fraction = rng.uniform(0, 1, (n, num_keypoints))
            points[:, :, axis] = boxes[:, None, axis] + fraction * (boxes[:, axis + 2] - boxes[:, axis])[:, None]
        objects.gt_keypoints = Keypoints(torch.from_numpy(points))
    objects.gt_boxes.clip(size)
    return objects


def prepare(model):
    """Set the weights of the measurements, and all score thresholds to 0."""
    model.eval()
    fill.fill_(model)
    if hasattr(model, "head"):
        model.test_score_thresh = 0.0
    last = getattr(getattr(model, "roi_heads", None), "box_predictor", None)
    for one in last if isinstance(last, nn.ModuleList) else [last] if last is not None else []:
        one.test_score_thresh = 0.0
    return model


def training_losses(model, name):
    """Return the losses without randomness: all anchors and proposals, no batch statistics, no dropout."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) or "Drop" in type(module).__name__:
            module.eval()
    if getattr(model, "proposal_generator", None) is not None:
        model.proposal_generator.batch_size_per_image = 10**7
        model.proposal_generator.post_nms_topk = {True: 100, False: 1000}
    if hasattr(model, "roi_heads"):
        model.roi_heads.batch_size_per_image = 10**6
        model.roi_heads.positive_fraction = 0.999999
    keypoints = 17 if "eypoint" in name else 0
    classes = 1 if keypoints else 1203 if "LVIS" in name else 80
    mask_format = "bitmask" if "ViTDet" in name else "polygon"
    items = []
    for i, item in enumerate(batch("fast_rcnn" in name)):
        height, width = item["image"].shape[1:]
        blocks = np.random.default_rng(3).integers(0, 54, (height // 32 + 1, width // 32 + 1))
        semantic = torch.from_numpy(np.kron(blocks, np.ones((32, 32), np.int64))[:height, :width].copy())
        items.append(
            {
                **item,
                "instances": targets(classes, keypoints, mask_format, 11 + i, (height, width)),
                "sem_seg": semantic,
            }
        )
    torch.manual_seed(0)
    with EventStorage(0):
        return model(items)


def relative(got, want):
    """Return the largest difference relative to the largest expected value."""
    assert got.shape == want.shape
    return float(np.abs(got.astype(np.float64) - want).max() / max(1.0, np.abs(want).max()))


def counterparts(got, want):
    """Return the index of the match of each expected box, or -1, within 0.1 pixels and 1e-3 in score."""
    match, free = np.full(len(want["boxes"]), -1), np.ones(len(got["boxes"]), bool)
    for i in range(len(match)):
        near = free & (np.abs(got["boxes"] - want["boxes"][i]).max(1) < 0.1)
        near &= np.abs(got["scores"] - want["scores"][i]) < 1e-3
        if "classes" in want:
            near &= got["classes"] == want["classes"][i]
        if near.any():
            match[i] = np.flatnonzero(near)[0]
            free[match[i]] = False
    return match
