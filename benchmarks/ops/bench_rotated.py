"""Rotated operators; without a counterpart on PyPI, they are compared with torchvision's axis-aligned ones."""

import pytest
import torch
import torchvision
from benchmarks.ops.inputs import regions_of, rotated, turned, upright

from detectory.ops import nms_rotated, pairwise_iou_rotated, roi_align_rotated


@pytest.mark.parametrize("implementation", ["detectory", "torchvision nms 10,000"])
def test_pairwise_iou_rotated(benchmark, implementation):
    benchmark.group = "pairwise_iou_rotated 500 x 2,000"
    if implementation == "detectory":
        result = benchmark(pairwise_iou_rotated, rotated(500), rotated(2000))
        assert ((result >= 0) & (result <= 1)).all()
    else:
        benchmark(torchvision.ops.nms, *upright(10_000)[:2], 0.5)


@pytest.mark.parametrize("implementation", ["detectory", "torchvision nms 10,000"])
def test_nms_rotated(benchmark, implementation):
    benchmark.group = "nms_rotated 2,000 boxes"
    if implementation == "detectory":
        boxes = rotated(2000)
        kept = benchmark(nms_rotated, boxes, torch.rand(2000), 0.5)
        assert pairwise_iou_rotated(boxes[kept], boxes[kept]).fill_diagonal_(0).max() <= 0.5
    else:
        benchmark(torchvision.ops.nms, *upright(10_000)[:2], 0.5)


@pytest.mark.parametrize("implementation", ["detectory", "torchvision roi_align"])
def test_roi_align_rotated(benchmark, implementation):
    benchmark.group = "roi_align_rotated 512 regions of 50 x 68, forward"
    input, rois = torch.rand(2, 256, 50, 68), regions_of(68, 50, 1 / 16, 300)
    if implementation == "detectory":
        assert benchmark(roi_align_rotated, input, turned(rois), 7, 1 / 16).shape == (512, 256, 7, 7)
    else:
        benchmark(torchvision.ops.roi_align, input, rois, 7, 1 / 16, 0, True)
