"""Rotated operators. They have no peer on PyPI: torchvision's upright ones are measured beside them as a yardstick."""

import pytest
import torch
import torchvision

from detectory.ops import nms_rotated, pairwise_iou_rotated, roi_align_rotated


def rotated(count):
    low, sides = torch.tensor([0, 0, 5, 5, -180.0]), torch.tensor([1000, 1000, 100, 100, 360.0])
    return low + torch.rand(count, 5) * sides


@pytest.fixture
def upright():
    boxes = torch.rand(10_000, 4) * torch.tensor([1333, 800, 150, 150])
    boxes[:, 2:] += boxes[:, :2]
    return boxes, torch.rand(10_000)


@pytest.mark.parametrize("implementation", ["detectory", "torchvision nms 10,000"])
def test_pairwise_iou_rotated(benchmark, implementation, upright):
    benchmark.group = "pairwise_iou_rotated 500 x 2,000"
    if implementation == "detectory":
        found = benchmark(pairwise_iou_rotated, rotated(500), rotated(2000))
        assert ((found >= 0) & (found <= 1)).all()
    else:
        benchmark(torchvision.ops.nms, *upright, 0.5)


@pytest.mark.parametrize("implementation", ["detectory", "torchvision nms 10,000"])
def test_nms_rotated(benchmark, implementation, upright):
    benchmark.group = "nms_rotated 2,000 boxes"
    if implementation == "detectory":
        boxes = rotated(2000)
        kept = benchmark(nms_rotated, boxes, torch.rand(2000), 0.5)
        assert pairwise_iou_rotated(boxes[kept], boxes[kept]).fill_diagonal_(0).max() <= 0.5
    else:
        benchmark(torchvision.ops.nms, *upright, 0.5)


@pytest.mark.parametrize("implementation", ["detectory", "torchvision roi_align"])
def test_roi_align_rotated(benchmark, implementation):
    benchmark.group = "roi_align_rotated 512 regions of 50 x 68, forward"
    input, boxes = torch.rand(2, 256, 50, 68), torch.rand(512, 4) * torch.tensor([870, 640, 300, 300])
    boxes[:, 2:] += 16
    images, turn = torch.randint(2, (512, 1)), torch.rand(512, 1) * 360
    centred = torch.cat([images, boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:], turn], 1)
    corners = torch.cat([images, boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
    if implementation == "detectory":
        assert benchmark(roi_align_rotated, input, centred, 7, 1 / 16).shape == (512, 256, 7, 7)
    else:
        benchmark(torchvision.ops.roi_align, input, corners, 7, 1 / 16, 0, True)
