"""Pairwise overlaps against loops over pairs."""

import pytest
import torch

from detectory.ops import pairwise_giou, pairwise_ioa, pairwise_iou


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def intersection(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def slow_iou(a, b):
    inter = intersection(a, b)
    return inter / (area(a) + area(b) - inter) if inter > 0 else 0.0


def slow_ioa(a, b):
    inter = intersection(a, b)
    return inter / area(b) if inter > 0 else 0.0


def slow_giou(a, b):
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    joint = area(a) + area(b) - intersection(a, b)
    return slow_iou(a, b) - (hull - joint) / hull if hull > 0 else 0.0


PAIRS = [
    pytest.param(pairwise_iou, slow_iou, id="iou"),
    pytest.param(pairwise_ioa, slow_ioa, id="ioa"),
    pytest.param(pairwise_giou, slow_giou, id="giou"),
]


def slow(function, boxes1, boxes2):
    rows = [[function(a, b) for b in boxes2.tolist()] for a in boxes1.tolist()]
    return torch.tensor(rows, dtype=torch.float64).reshape(len(boxes1), len(boxes2))


@pytest.mark.parametrize(("fast", "reference"), PAIRS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_agrees_with_a_loop_over_pairs(device, random_boxes, fast, reference, dtype):
    boxes1, boxes2 = random_boxes(37, dtype), random_boxes(51, dtype)
    found = fast(boxes1.to(device), boxes2.to(device))
    assert found.dtype == dtype
    torch.testing.assert_close(found.cpu(), slow(reference, boxes1, boxes2).to(dtype))


@pytest.mark.parametrize(("fast", "reference"), PAIRS)
@pytest.mark.parametrize("sizes", [(0, 0), (0, 3), (3, 0), (1, 1)], ids=str)
def test_empty_and_single_sets_keep_their_shape(device, random_boxes, fast, reference, sizes):
    boxes1, boxes2 = (random_boxes(size, torch.float32).to(device) for size in sizes)
    assert fast(boxes1, boxes2).shape == sizes


@pytest.mark.parametrize(("fast", "reference"), PAIRS)
def test_rejects_boxes_with_five_columns(fast, reference):
    with pytest.raises(ValueError, match=r"boxes2 must have shape \(M, 4\), got \(2, 5\)"):
        fast(torch.zeros(1, 4), torch.zeros(2, 5))
