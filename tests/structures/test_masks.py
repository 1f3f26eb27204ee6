"""`BitMasks`, `PolygonMasks`, `ROIMasks`, polygon functions and RLE decoding."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detectory.structures import (
    BitMasks,
    Boxes,
    PolygonMasks,
    ROIMasks,
    polygon_area,
    polygons_to_bitmask,
    rasterize_polygons_within_box,
    rle_to_bitmask,
)

SQUARE = np.array([2.0, 3, 6, 3, 6, 7, 2, 7])
TRIANGLE = [0, 0, 10, 0, 10, 10]


def bitmap(height: int, width: int, rows: slice, columns: slice) -> torch.Tensor:
    mask = torch.zeros(1, height, width, dtype=torch.bool)
    mask[:, rows, columns] = True
    return mask


@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_bitmask_boxes_are_tight(height, width, data):
    y1, y2 = sorted((data.draw(st.integers(0, height - 1)), data.draw(st.integers(1, height))))
    x1, x2 = sorted((data.draw(st.integers(0, width - 1)), data.draw(st.integers(1, width))))
    masks = BitMasks(bitmap(height, width, slice(y1, y2), slice(x1, x2)))
    expected = [x1, y1, x2, y2] if masks.nonempty() else [0, 0, 0, 0]
    assert masks.get_bounding_boxes().tensor.tolist() == [expected]


def test_bitmask_boxes_span_separate_parts():
    mask = bitmap(8, 9, slice(1, 2), slice(7, 8)) | bitmap(8, 9, slice(5, 7), slice(2, 3))
    assert BitMasks(mask).get_bounding_boxes().tensor.tolist() == [[2, 1, 8, 7]]


def test_bitmasks_convert_tensors_and_arrays_to_bool():
    assert BitMasks(torch.tensor([[[0, 2]]])).tensor.tolist() == [[[False, True]]]
    assert BitMasks(np.ones((1, 2, 2), dtype=np.uint8)).image_size == (2, 2)


@pytest.mark.parametrize("index", [1, slice(1, 2), torch.tensor([1]), torch.tensor([False, True])])
def test_index_selects_masks(index):
    masks = torch.stack([torch.zeros(2, 2), torch.ones(2, 2)])
    assert BitMasks(masks)[index].tensor.all()
    assert torch.equal(ROIMasks(masks)[index].tensor, masks[1:])
    assert len(PolygonMasks([[], [SQUARE]])[index].polygons[0]) == 1


@pytest.mark.parametrize("cls", [BitMasks, ROIMasks])
def test_masks_reject_invalid_shapes_and_partial_indices(cls):
    with pytest.raises(ValueError, match=rf"{cls.__name__}: tensor must have shape .*, got \(2, 2\)"):
        cls(torch.zeros(2, 2))
    with pytest.raises(IndexError, match="must select whole objects"):
        cls(torch.zeros(2, 2, 2))[:, 0]


@pytest.mark.parametrize(
    "masks",
    [BitMasks(torch.ones(2, 3, 3)), ROIMasks(torch.ones(2, 3, 3)), PolygonMasks([[SQUARE], []])],
    ids=["bit", "roi", "polygon"],
)
def test_cat_concatenates(masks):
    result = type(masks).cat([masks, masks])
    assert len(result) == len(list(result)) == 4


def test_polygons_are_converted_to_float64_arrays():
    masks = PolygonMasks([[TRIANGLE], [torch.tensor(TRIANGLE)]])
    assert all(p.dtype == np.float64 for polygons in masks for p in polygons)


@pytest.mark.parametrize(
    ("polygons", "error", "message"),
    [
        ([[[0, 0, 1, 1]]], ValueError, r"polygon 0 of object 0 must be .* got shape \(4,\)"),
        ([[], [TRIANGLE, [*TRIANGLE, 5]]], ValueError, r"polygon 1 of object 1 must be .* got shape \(7,\)"),
        ([TRIANGLE], ValueError, r"polygon 0 of object 0 must be"),
        ([np.ones(6)], TypeError, "object 0 must be a list of polygons, got ndarray"),
        (np.ones((1, 6)), TypeError, "must be a list of lists of arrays, got ndarray"),
    ],
    ids=["two vertices", "odd length", "flat list", "flat array", "array"],
)
def test_polygon_masks_reject(polygons, error, message):
    with pytest.raises(error, match=message):
        PolygonMasks(polygons)


@pytest.mark.parametrize(
    ("index", "message"),
    [(torch.tensor([True]), "must have 2 entries, got 1"), ([0.5], "integers or bools"), (2, "out of range")],
)
def test_polygon_masks_reject_an_index(index, message):
    with pytest.raises(IndexError, match=message):
        PolygonMasks([[], []])[index]


def test_polygon_area_is_summed_over_parts():
    assert polygon_area(SQUARE[0::2], SQUARE[1::2]) == 16
    assert PolygonMasks([[SQUARE, TRIANGLE], []]).area().tolist() == [66, 0]


def test_polygon_boxes_enclose_all_parts():
    masks = PolygonMasks([[SQUARE, np.array([1.0, 5, 3, 5, 3, 9])], []])
    assert masks.get_bounding_boxes().tensor.tolist() == [[1, 3, 6, 9], [0, 0, 0, 0]]
    assert masks.nonempty().tolist() == [True, False]


def test_polygons_stay_on_the_cpu():
    masks = PolygonMasks([[SQUARE]])
    assert masks.to("meta") is masks
    assert masks.device == torch.device("cpu")


def test_cat_rejects_an_empty_list():
    with pytest.raises(ValueError, match=r"BitMasks.cat: list must not be empty"):
        BitMasks.cat([])
    with pytest.raises(ValueError, match=r"ROIMasks.cat: list must not be empty"):
        ROIMasks.cat([])


def test_from_roi_masks_requires_boxes():
    with pytest.raises(ValueError, match=r"from_roi_masks: boxes must be .* got None"):
        BitMasks.from_roi_masks(ROIMasks(torch.ones(1, 2, 2)), 4, 4)


@pytest.mark.parametrize("masks", [BitMasks(torch.ones(2, 4, 4)), PolygonMasks([[SQUARE], [SQUARE]])])
def test_crop_and_resize_requires_one_box_per_mask(masks):
    with pytest.raises(ValueError, match=r"crop_and_resize: boxes must have shape \(2, 4\), got \(3, 4\)"):
        masks.crop_and_resize(torch.ones(3, 4), 7)


def test_polygons_are_rasterised_to_bitmaps():
    masks = BitMasks.from_polygon_masks(PolygonMasks([[SQUARE], [], [SQUARE, SQUARE + 2]]), 12, 10)
    assert masks.tensor.flatten(1).sum(dim=1).tolist() == [16, 0, 28]
    assert masks.get_bounding_boxes().tensor.tolist() == [[2, 3, 6, 7], [0, 0, 0, 0], [2, 3, 8, 9]]
    assert polygons_to_bitmask([SQUARE], 12, 10).tolist() == masks.tensor[0].tolist()


def test_objects_without_polygons_have_empty_bitmaps():
    assert BitMasks.from_polygon_masks([], 4, 5).tensor.shape == (0, 4, 5)
    assert polygons_to_bitmask([], 4, 5).tolist() == [[False] * 5] * 4


@pytest.mark.parametrize("counts", [b"444", "444", [4, 4, 4]], ids=["bytes", "str", "list"])
def test_rle_decodes_compressed_and_uncompressed_counts(counts):
    mask = rle_to_bitmask({"size": [4, 3], "counts": counts})
    assert mask.tolist() == [[False, True, False]] * 4


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ({"size": [4, 4]}, r"must have 'size' \[height, width\] and 'counts', got keys \['size'\]"),
        ({"size": [4, 4], "counts": [4, 4, 4]}, r"must sum to the pixels of size \[4, 4\], got 12"),
        ({"size": [9, 9], "counts": [81]}, "must have at most 20 pixels, got 9 x 9"),
    ],
    ids=["missing counts", "wrong total", "too large"],
)
def test_rle_rejects(rle, message):
    with pytest.raises(ValueError, match=message):
        rle_to_bitmask(rle, max_pixels=20)


def test_polygons_are_cropped_and_scaled_to_their_boxes():
    masks = PolygonMasks([[SQUARE], [SQUARE], []])
    boxes = torch.tensor([[2.0, 3, 6, 7], [4, 3, 8, 7], [0, 0, 5, 5]])
    cropped = masks.crop_and_resize(boxes, 6)
    assert cropped[0].all()
    assert cropped[1].tolist() == [[True] * 3 + [False] * 3] * 6
    assert not cropped[2].any()
    assert torch.equal(rasterize_polygons_within_box([SQUARE], boxes[1].numpy(), 6), cropped[1])


def test_roi_masks_are_pasted_into_their_boxes():
    masks = ROIMasks(torch.ones(2, 7, 7))[:1].to_bitmasks(torch.tensor([[2.0, 3, 6, 7]]), 12, 10)
    assert masks.get_bounding_boxes().tensor.tolist() == [[2, 3, 6, 7]]
    other = BitMasks.from_roi_masks(ROIMasks(torch.ones(1, 7, 7)), 12, 10, boxes=Boxes([[2.0, 3, 6, 7]]))
    assert torch.equal(other.tensor, masks.tensor)


def test_roi_masks_reject_a_different_number_of_boxes():
    with pytest.raises(ValueError, match=r"to_bitmasks: boxes must be 2 boxes, got 1"):
        ROIMasks(torch.ones(2, 7, 7)).to_bitmasks(torch.ones(1, 4), 12, 10)
