"""Conversions between all box formats."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detectory.structures import BoxMode

side = st.floats(0, 1000)


def test_values_match_saved_annotations():
    assert [int(mode) for mode in BoxMode] == [0, 1, 2, 3, 4]
    assert BoxMode.XYXY_ABS.name == "XYXY_ABS"


@pytest.mark.parametrize("sequence", [list, tuple], ids=["list", "tuple"])
def test_sequences_keep_their_type_and_integers(sequence):
    box = BoxMode.convert(sequence([10, 20, 30, 40]), BoxMode.XYWH_ABS, BoxMode.XYXY_ABS)
    assert box == sequence([10, 20, 40, 60])
    assert all(isinstance(number, int) for number in box)


def test_sequences_keep_double_precision():
    assert BoxMode.convert([0.1, 0.0, 0.2, 1.0], BoxMode.XYWH_ABS, BoxMode.XYXY_ABS)[2] == 0.1 + 0.2


def test_arrays_and_tensors_keep_type_dtype_and_leading_shape():
    array = np.ones((2, 3, 4), dtype=np.float32)
    converted = BoxMode.convert(array, BoxMode.XYWH_ABS, BoxMode.XYXY_ABS)
    assert (converted.shape, converted.dtype) == (array.shape, array.dtype)
    tensor = BoxMode.convert(torch.ones(2, 4, dtype=torch.float64), BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)
    assert (tensor.tolist(), tensor.dtype) == ([[1, 1, 0, 0]] * 2, torch.float64)


@given(side, side, side, side)
def test_xywh_round_trip_preserves_the_box(x, y, w, h):
    corners = BoxMode.convert([x, y, w, h], BoxMode.XYWH_ABS, BoxMode.XYXY_ABS)
    assert BoxMode.convert(corners, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS) == pytest.approx([x, y, w, h], abs=1e-9)


def test_unrotated_box_becomes_its_corners():
    assert BoxMode.convert([5.0, 3.0, 4.0, 2.0, 0.0], BoxMode.XYWHA_ABS, BoxMode.XYXY_ABS) == [3, 2, 7, 4]


def test_rotation_by_90_degrees_swaps_width_and_height():
    box = BoxMode.convert((5, 3, 4, 2, 90), BoxMode.XYWHA_ABS, BoxMode.XYWH_ABS)
    assert box == pytest.approx((4, 1, 2, 4))


@pytest.mark.parametrize("make", [list, np.asarray, torch.tensor], ids=["list", "array", "tensor"])
def test_horizontal_box_gets_angle_zero(make):
    box = BoxMode.convert(make([10, 20, 5, 8]), BoxMode.XYWH_ABS, BoxMode.XYWHA_ABS)
    assert list(box) == [12.5, 24, 5, 8, 0]


def test_relative_modes_convert_without_an_image_size():
    assert BoxMode.convert([0.25, 0.5, 0.75, 1.0], BoxMode.XYXY_REL, BoxMode.XYWH_REL) == [0.25, 0.5, 0.5, 0.5]


def test_relative_to_absolute_round_trip_uses_the_image_size():
    box = BoxMode.convert([0.25, 0.5, 0.5, 0.5], BoxMode.XYWH_REL, BoxMode.XYXY_ABS, image_size=(10, 40))
    assert box == [10, 5, 30, 10]
    assert BoxMode.convert(box, BoxMode.XYXY_ABS, BoxMode.XYWH_REL, image_size=(10, 40)) == [0.25, 0.5, 0.5, 0.5]


def test_rejects_relative_to_absolute_without_an_image_size():
    with pytest.raises(ValueError, match="XYXY_REL to XYXY_ABS needs image_size"):
        BoxMode.convert([0, 0, 1, 1], BoxMode.XYXY_REL, BoxMode.XYXY_ABS)


@pytest.mark.parametrize(
    ("box", "mode"),
    [([1, 2, 3], BoxMode.XYWH_ABS), ([1, 2, 3, 4], BoxMode.XYWHA_ABS), (np.ones((2, 5)), BoxMode.XYXY_ABS)],
    ids=["three numbers", "missing angle", "unexpected angle"],
)
def test_rejects_a_wrong_number_of_columns(box, mode):
    with pytest.raises(ValueError, match=f"BoxMode.convert: box of mode {mode.name} must have"):
        BoxMode.convert(box, mode, BoxMode.XYWH_REL)


def test_rejects_unsupported_types_and_unknown_modes():
    with pytest.raises(TypeError, match="got str"):
        BoxMode.convert("1234", BoxMode.XYWH_ABS, BoxMode.XYXY_ABS)
    with pytest.raises(ValueError, match="9 is not a valid BoxMode"):
        BoxMode.convert([1, 2, 3, 4], 9, BoxMode.XYXY_ABS)


def test_equal_modes_return_the_box_itself():
    box = [1, 2, 3, 4]
    assert BoxMode.convert(box, BoxMode.XYWH_ABS, BoxMode.XYWH_ABS) is box
