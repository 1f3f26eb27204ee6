"""Tests of generic masks, contours and connected components."""

import numpy as np
import pytest

from detectory.visualization import GenericMask
from detectory.visualization.masks.components import visual_center, without_small_components
from detectory.visualization.masks.contours import trace_contours


def random_mask(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 24, 2)
    mask = rng.random((height, width)) < rng.random()
    return np.kron(mask, np.ones((2, 3), bool)) if seed % 2 else mask


def polygon_area(points):
    x, y = points.T
    return 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))


def flood_regions(mask):
    """Return the sorted sizes of the 4-connected regions, found by flood fill."""
    unvisited, sizes = set(zip(*np.nonzero(mask), strict=True)), []
    while unvisited:
        stack, size = [unvisited.pop()], 0
        while stack:
            y, x = stack.pop()
            size += 1
            for neighbor in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if neighbor in unvisited:
                    unvisited.remove(neighbor)
                    stack.append(neighbor)
        sizes.append(size)
    return sorted(sizes)


@pytest.mark.parametrize("seed", range(40))
def test_contours_enclose_the_pixels_of_the_mask(seed):
    mask = random_mask(seed)
    contours = trace_contours(mask)
    total = sum((-1 if c.is_hole else 1) * polygon_area(c.points) for c in contours)
    assert total == mask.sum()
    assert sum(not c.is_hole for c in contours) == len(flood_regions(mask))


@pytest.mark.parametrize("seed", range(40))
def test_only_small_regions_are_removed(seed):
    mask = random_mask(seed)
    kept = without_small_components(mask, 4)
    assert flood_regions(kept) == [size for size in flood_regions(mask) if size >= 4]
    assert (kept <= mask).all()


def test_a_ring_has_one_outer_outline_and_a_hole():
    ring = np.ones((5, 5), bool)
    ring[2, 2] = False
    mask = GenericMask(ring, 5, 5)
    assert mask.has_holes
    assert [p.tolist() for p in mask.polygons] == [[0, 0, 5, 0, 5, 5, 0, 5]]


def test_bitmap_and_polygons_have_the_same_area_and_box():
    pixels = np.zeros((20, 30), bool)
    pixels[3:10, 5:25] = True
    bitmap, polygonal = GenericMask(pixels, 20, 30), GenericMask([[5, 3, 25, 3, 25, 10, 5, 10]], 20, 30)
    assert bitmap.area() == polygonal.area() == 140
    assert bitmap.bbox().tolist() == polygonal.bbox().tolist() == [5, 3, 25, 10]


def test_an_empty_mask_has_neither_outline_nor_area():
    mask = GenericMask(np.zeros((4, 4)), 4, 4)
    assert (mask.polygons, mask.has_holes, mask.area(), mask.bbox().tolist()) == ([], False, 0, [0, 0, 0, 0])


def test_the_visual_centre_of_a_concave_mask_is_inside_the_mask():
    mask = np.zeros((200, 300), bool)
    mask[10:190, 10:290] = True
    mask[10:150, 60:240] = False
    x, y = visual_center(mask)
    assert mask[int(y), int(x)]


def test_rejects_a_mask_that_does_not_have_the_image_size():
    with pytest.raises(ValueError, match=r"size of the image \(5, 4\), got \(4, 4\)"):
        GenericMask(np.zeros((4, 4)), 5, 4)
