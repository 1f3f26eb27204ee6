"""Polygon rasterisation, bit-identical to pycocotools."""

import numpy as np
import pycocotools.mask as coco
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from detectory.ops import (
    polygon_sets_to_rles,
    polygons_to_mask,
    polygons_to_rle,
    rasterize_polygons_within_boxes,
)


@st.composite
def objects(draw):
    """Return one to three polygons in and around an image, often with vertices on pixel borders or duplicated."""
    extent = draw(st.sampled_from([10, 60, 3000]))
    grid = draw(st.sampled_from([None, 1, 2, 5, 10]))
    seed = np.random.default_rng(draw(st.integers(0, 2**20)))
    polygons = [(seed.random(2 * draw(st.integers(3, 10))) - 0.3) * extent for _ in range(draw(st.integers(1, 3)))]
    polygons = [np.round(polygon * grid) / grid if grid else polygon for polygon in polygons]
    polygons[0][2:4] = polygons[0][:2] if draw(st.booleans()) else polygons[0][2:4]
    return polygons


def merged(polygons, height, width):
    return coco.merge(coco.frPyObjects([polygon.tolist() for polygon in polygons], height, width))


@settings(max_examples=200, deadline=None)
@given(objects(), st.integers(1, 70), st.integers(1, 70))
def test_run_lengths_equal_pycocotools(polygons, height, width):
    assert polygons_to_rle(polygons, height, width) == merged(polygons, height, width)


@settings(max_examples=200, deadline=None)
@given(objects(), st.integers(1, 70), st.integers(1, 70))
def test_masks_equal_pycocotools(polygons, height, width):
    expected = coco.decode(merged(polygons, height, width)).astype(bool)
    assert np.array_equal(polygons_to_mask(polygons, height, width).numpy(), expected)


def cropped(polygons, box, size):
    """Crop one object explicitly: shift, scale, rasterise."""
    box = np.asarray(box, dtype=np.float64)
    scale = size / np.maximum(box[2:] - box[:2], 0.1)
    moved = [(polygon.reshape(-1, 2) - box[:2]) * scale for polygon in polygons]
    return coco.decode(merged([polygon.reshape(-1) for polygon in moved], size, size)).astype(bool)


@settings(max_examples=40, deadline=None)
@given(st.lists(objects(), min_size=1, max_size=4), st.sampled_from([1, 14, 28]), st.integers(0, 2**20))
def test_crops_equal_transformed_polygons(polygon_sets, size, seed):
    draw = np.random.default_rng(seed)
    indices = draw.integers(0, len(polygon_sets), 9)
    boxes = draw.random((9, 4)) * 60 - 10
    boxes[:6, 2:] += boxes[:6, :2]
    result = rasterize_polygons_within_boxes(polygon_sets, torch.from_numpy(boxes), size, torch.from_numpy(indices))
    expected = [cropped(polygon_sets[index], box, size) for index, box in zip(indices, boxes, strict=True)]
    assert np.array_equal(result.numpy(), np.stack(expected))


def test_encodes_objects_of_different_images_in_one_call():
    triangle = np.array([1.0, 1, 8, 2, 4, 9])
    sizes = [(10, 10), (5, 20), (0, 3), (12, 12)]
    result = polygon_sets_to_rles([[triangle], [triangle, triangle + 3], [triangle], []], sizes)
    assert result[0] == merged([triangle], 10, 10)
    assert result[1] == merged([triangle, triangle + 3], 5, 20)
    assert [rle["size"] for rle in result] == [list(size) for size in sizes]
    assert coco.area(result[3]) == 0


def test_accepts_lists_and_tensors_as_polygons():
    corners = [1, 1, 3, 1, 3, 3, 1, 3]
    assert polygons_to_rle([corners], 6, 6) == polygons_to_rle([torch.tensor(corners)], 6, 6)


def test_objects_without_polygons_are_empty():
    assert not polygons_to_mask([], 4, 5).any()
    assert polygons_to_mask([], 4, 5).shape == (4, 5)
    assert rasterize_polygons_within_boxes([], torch.zeros(0, 4), 28).shape == (0, 28, 28)


def test_vertices_far_outside_do_not_increase_time_or_memory():
    huge = np.array([-1e18, -1e18, 1e18, -1e18, 1e18, 1e18, -1e18, 1e18])
    assert polygons_to_mask([huge], 30, 40).all()


@pytest.mark.parametrize("polygon", [[0, 0, 1, 1], [0, 0, 1, 1, 2], [[0, 0], [1, 1], [1, 0]]], ids=str)
def test_rejects_polygons_without_three_vertices(polygon):
    with pytest.raises(ValueError, match="polygons_to_mask: polygon 0 must be flat with an even number of at least 6"):
        polygons_to_mask([polygon], 4, 4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=str)
def test_rejects_coordinates_that_are_not_finite(value):
    with pytest.raises(ValueError, match="polygons_to_rle: polygon 1 must be finite"):
        polygons_to_rle([[0, 0, 1, 0, 1, 1], [0, 0, 1, 0, 1, value]], 4, 4)


def test_rejects_an_index_out_of_range():
    with pytest.raises(ValueError, match=r"indices must be in \[0, 1\), got 1 to 1"):
        rasterize_polygons_within_boxes([[[0, 0, 1, 0, 1, 1]]], torch.zeros(1, 4), 7, torch.tensor([1]))


def test_rejects_boxes_that_are_not_finite():
    with pytest.raises(ValueError, match="boxes must be finite"):
        rasterize_polygons_within_boxes([[[0, 0, 1, 0, 1, 1]]], torch.full((1, 4), float("nan")), 7)
