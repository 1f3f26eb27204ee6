"""Pairwise IoU of boxes."""

import pytest
import torch
import torchvision

from detectory.ops import pairwise_iou

IMPLEMENTATIONS = {"detectory": pairwise_iou, "torchvision": torchvision.ops.box_iou}


@pytest.mark.parametrize("sizes", [(10, 1_000), (100, 200_000)], ids=["10 x 1,000", "100 x 200,000"])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_pairwise_iou(benchmark, implementation, sizes):
    boxes = [torch.rand(size, 4) * 100 for size in sizes]
    for each in boxes:
        each[:, 2:] += each[:, :2]
    benchmark.group = f"pairwise_iou {sizes[0]:,} x {sizes[1]:,}"
    result = benchmark(IMPLEMENTATIONS[implementation], *boxes)
    torch.testing.assert_close(result, torchvision.ops.box_iou(*boxes))
