"""Slow reference of the steps after the convolutions in Detectron and maskrcnn-benchmark.

Boxes are corners of pixels that belong to them: the width of a box is `x2 - x1 + 1`. Everything is written from the
formulas in Ren et al., "Faster R-CNN", 2015, and He et al., "Mask R-CNN", 2017, with this width.
"""

import math

import numpy as np
import torch
from torch.nn import functional as F

CLAMP = math.log(1000 / 16)


def anchors(stride, size, ratios, height, width):
    """Return the anchors of one level with one size, `(height * width * A, 4)`."""
    rows = []
    for ratio in ratios:
        w = round(math.sqrt(stride * stride / ratio))
        h = round(w * ratio)
        w, h = w * size / stride, h * size / stride
        center = (stride - 1) / 2
        rows.append([center - (w - 1) / 2, center - (h - 1) / 2, center + (w - 1) / 2, center + (h - 1) / 2])
    grid = [np.array(rows) + stride * np.array([x, y, x, y]) for y in range(height) for x in range(width)]
    return np.concatenate(grid)


def decode(boxes, deltas, weights):
    """Apply one delta to each box."""
    result = np.zeros_like(boxes)
    for i, (box, delta) in enumerate(zip(boxes, deltas / np.array(weights), strict=True)):
        w, h = box[2] - box[0] + 1, box[3] - box[1] + 1
        x, y = box[0] + w / 2 + delta[0] * w, box[1] + h / 2 + delta[1] * h
        w, h = w * math.exp(min(delta[2], CLAMP)), h * math.exp(min(delta[3], CLAMP))
        result[i] = [x - w / 2, y - h / 2, x + w / 2 - 1, y + h / 2 - 1]
    return result


def clip(boxes, height, width):
    return np.clip(boxes, 0, [width - 1, height - 1, width - 1, height - 1])


def iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0]) + 1
    h = min(a[3], b[3]) - max(a[1], b[1]) + 1
    area = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    overlap = max(w, 0) * max(h, 0)
    return overlap / (area[0] + area[1] - overlap)


def nms(boxes, scores, threshold):
    """Return the kept indices in descending order of the scores."""
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        if all(iou(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    return kept


def proposals(logits, deltas, levels, size, pre_nms, post_nms, threshold=0.7):
    """Return the best boxes of an RPN.

    Args:
        logits: Objectness of every level, `(H * W * A)`.
        deltas: Deltas of every level, `(H * W * A, 4)`.
        levels: The anchors of every level.
        size: `(height, width)` of the image.
        pre_nms: Maximum number per level before the NMS.
        post_nms: Maximum number of all levels.
        threshold: IoU threshold of the NMS.
    """
    boxes, scores = [], []
    for level_logits, level_deltas, level in zip(logits, deltas, levels, strict=True):
        best = np.argsort(-level_logits, kind="stable")[:pre_nms]
        decoded = clip(decode(level[best], level_deltas[best], (1, 1, 1, 1)), *size)
        kept = nms(decoded, level_logits[best], threshold)
        boxes.append(decoded[kept])
        scores.append(level_logits[best][kept])
    order = np.argsort(-np.concatenate(scores), kind="stable")[:post_nms]
    return np.concatenate(boxes)[order]


def level_of(box, first, last):
    side = math.sqrt((box[2] - box[0] + 1) * (box[3] - box[1] + 1))
    return int(min(max(math.floor(4 + math.log2(side / 224 + 1e-6)), first), last)) - first


def pool(feature, box, scale, bins, samples):
    """Return the RoIAlign of a box, without the shift of half a pixel and with regions of at least one cell."""
    x1, y1, x2, y2 = np.asarray(box) * scale
    w, h = max(x2 - x1, 1.0) / bins, max(y2 - y1, 1.0) / bins
    result = np.zeros((feature.shape[0], bins, bins))
    for row in range(bins):
        for column in range(bins):
            values = [
                _bilinear(feature, y1 + h * (row + (i + 0.5) / samples), x1 + w * (column + (j + 0.5) / samples))
                for i in range(samples)
                for j in range(samples)
            ]
            result[:, row, column] = np.mean(values, axis=0)
    return result


def _bilinear(feature, y, x):
    height, width = feature.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return np.zeros(len(feature))
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = min(int(y), height - 1), min(int(x), width - 1)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    dy, dx = y - top, x - left
    upper = feature[:, top, left] * (1 - dx) + feature[:, top, right] * dx
    return upper * (1 - dy) + (feature[:, bottom, left] * (1 - dx) + feature[:, bottom, right] * dx) * dy


def detections(scores, deltas, regions, size, threshold, nms_threshold, limit):
    """Return boxes, scores and classes; the background is the last class of `scores`."""
    found = []
    for label in range(scores.shape[1] - 1):
        chosen = np.flatnonzero(scores[:, label] > threshold)
        boxes = clip(decode(regions[chosen], deltas[chosen, 4 * label : 4 * label + 4], (10, 10, 5, 5)), *size)
        kept = nms(boxes, scores[chosen, label], nms_threshold)
        found += [(scores[chosen[i], label], boxes[i], label) for i in kept]
    found = sorted(found, key=lambda item: -item[0])[:limit]
    return [np.array(part) for part in zip(*found, strict=True)]


def paste(mask, box, height, width):
    """Return the pixels of a mask of probabilities, which is surrounded by zeros and resized to whole pixels."""
    side = len(mask)
    scale = (side + 2) / side
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    w, h = (box[2] - box[0]) / 2 * scale, (box[3] - box[1]) / 2 * scale
    x1, y1, x2, y2 = (int(value) for value in (x - w, y - h, x + w, y + h))
    padded = torch.from_numpy(np.pad(mask, 1))[None, None]
    size = (max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1))
    resized = F.interpolate(padded, size, mode="bilinear", align_corners=False)[0, 0].numpy() > 0.5
    image = np.zeros((height, width), bool)
    for row in range(size[0]):
        for column in range(size[1]):
            if 0 <= row + y1 < height and 0 <= column + x1 < width:
                image[row + y1, column + x1] = resized[row, column]
    return image
