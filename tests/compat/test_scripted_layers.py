"""Layers and box overlaps of Detectron2 in scripted programs."""

import pytest
import torch

from detectory.compat.detectron2.layers import (
    ROIAlignRotated,
    batched_nms,
    batched_nms_rotated,
    nms_rotated,
    roi_align_rotated,
)
from detectory.compat.detectron2.structures import Boxes, RotatedBoxes, pairwise_ioa, pairwise_iou, pairwise_iou_rotated


def boxes(columns):
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(30, columns, generator=generator) * 40
    if columns == 4:
        values[:, 2:] += values[:, :2]
    return values, torch.rand(30, generator=generator), torch.randint(3, (30,), generator=generator)


@pytest.mark.parametrize(("function", "columns"), [(batched_nms, 4), (batched_nms_rotated, 5)])
def test_nms_by_class_is_scriptable(function, columns):
    kept = torch.jit.script(function)(*boxes(columns), 0.3)
    assert torch.equal(kept, function(*boxes(columns), 0.3))
    assert 0 < len(kept) < 30


def test_rotated_nms_is_scriptable():
    candidates, scores, _ = boxes(5)
    assert torch.equal(torch.jit.script(nms_rotated)(candidates, scores, 0.3), nms_rotated(candidates, scores, 0.3))


def test_rotated_pooling_is_scriptable():
    class Pooling(torch.nn.Module):
        def forward(self, features: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
            return roi_align_rotated(features, regions, (4, 4), 0.5, 2)

    features, regions = torch.rand(1, 2, 20, 20), torch.tensor([[0.0, 18, 20, 10, 6, 30]])
    expected = Pooling()(features, regions)
    assert torch.equal(torch.jit.script(Pooling())(features, regions), expected)
    layer = ROIAlignRotated((4, 4), 0.5, 2)
    assert torch.equal(torch.jit.script(layer)(features, regions), expected)


class Overlaps(torch.nn.Module):
    def forward(self, first: Boxes, second: Boxes) -> tuple[torch.Tensor, torch.Tensor]:
        return pairwise_iou(first, second), pairwise_ioa(first, second)


class RotatedOverlaps(torch.nn.Module):
    def forward(self, first: RotatedBoxes, second: RotatedBoxes) -> torch.Tensor:
        return pairwise_iou_rotated(first, second)


def test_overlaps_of_boxes_are_scriptable():
    unit = torch.tensor([[0.0, 0, 1, 1]])
    parts = torch.tensor([[0.0, 0, 0.5, 1], [0.5, 0.5, 1.5, 1.5]])
    iou, ioa = torch.jit.script(Overlaps())(Boxes(unit), Boxes(parts))
    torch.testing.assert_close(iou, torch.tensor([[0.5, 0.25 / 1.75]]))
    torch.testing.assert_close(ioa, torch.tensor([[1.0, 0.25]]))
    turned = torch.tensor([[0.0, 0, 4, 2, 0], [0, 0, 2, 4, 90]])
    overlaps = torch.jit.script(RotatedOverlaps())(RotatedBoxes(turned[:1]), RotatedBoxes(turned))
    torch.testing.assert_close(overlaps, torch.ones(1, 2))
