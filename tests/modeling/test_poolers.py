import pytest
import torch

from detectory.modeling.poolers import ROIPooler, assign_boxes_to_levels
from detectory.structures import Boxes


def test_box_of_canonical_size_is_assigned_to_the_canonical_level():
    sides = torch.tensor([10.0, 223.0, 224.0, 448.0, 9999.0])
    boxes = torch.stack((sides * 0, sides * 0, sides, sides), dim=1)
    assert assign_boxes_to_levels([Boxes(boxes)], 2, 5, 224, 4).tolist() == [0, 1, 2, 3, 3]


def test_pooler_uses_the_level_of_each_box_and_keeps_the_order():
    maps = [torch.full((2, 1, 64 // 2**i, 64 // 2**i), float(i)) for i in range(3)]
    pooler = ROIPooler(2, [1 / 4, 1 / 8, 1 / 16], 0, "ROIAlignV2", canonical_box_size=64, canonical_level=3)
    small, large = [10.0, 10.0, 30.0, 30.0], [0.0, 0.0, 200.0, 200.0]
    out = pooler(maps, [Boxes(torch.tensor([large, small])), Boxes(torch.tensor([small]))])
    assert out.mean((1, 2, 3)).tolist() == [2.0, 0.0, 0.0]


def test_pooler_without_boxes_returns_an_empty_batch():
    maps = [torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 4, 4)]
    assert ROIPooler(7, [1 / 4, 1 / 8], 0, "ROIAlignV2")(maps, [Boxes(torch.zeros(0, 4))]).shape == (0, 3, 7, 7)


def test_rejects_scales_that_are_not_consecutive_powers_of_two():
    with pytest.raises(ValueError, match="powers of two"):
        ROIPooler(7, [1 / 4, 1 / 16], 0, "ROIAlignV2")
    with pytest.raises(ValueError, match="did you mean 'ROIAlignV2'"):
        ROIPooler(7, [1 / 4], 0, "ROIAlignV3")
