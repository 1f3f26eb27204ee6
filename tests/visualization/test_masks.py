"""Masks as pixels, polygons and run lengths; their outlines and regions."""

import numpy as np
import pytest

from detectory.visualization import GenericMask
from detectory.visualization.components import visual_center, without_small_components
from detectory.visualization.contours import trace_contours


def random_mask(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 24, 2)
    mask = rng.random((height, width)) < rng.random()
    return np.kron(mask, np.ones((2, 3), bool)) if seed % 2 else mask


def signed_area(points):
    x, y = points.T
    return 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))


def flood_regions(mask):
    """Count the regions of each size, one pixel after the other."""
    left, sizes = set(zip(*np.nonzero(mask), strict=True)), []
    while left:
        stack, size = [left.pop()], 0
        while stack:
            y, x = stack.pop()
            size += 1
            for near in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if near in left:
                    left.remove(near)
                    stack.append(near)
        sizes.append(size)
    return sorted(sizes)


@pytest.mark.parametrize("seed", range(40))
def test_contours_enclose_exactly_the_pixels_of_the_mask(seed):
    mask = random_mask(seed)
    contours = trace_contours(mask)
    total = sum((-1 if c.is_hole else 1) * signed_area(c.points) for c in contours)
    assert total == mask.sum()
    assert sum(not c.is_hole for c in contours) == len(flood_regions(mask))


@pytest.mark.parametrize("seed", range(40))
def test_small_regions_are_removed_and_large_ones_kept(seed):
    mask = random_mask(seed)
    kept = without_small_components(mask, 4)
    assert flood_regions(kept) == [size for size in flood_regions(mask) if size >= 4]
    assert (kept <= mask).all()


def test_a_ring_has_an_outline_and_a_hole():
    ring = np.ones((5, 5), bool)
    ring[2, 2] = False
    mask = GenericMask(ring, 5, 5)
    assert mask.has_holes
    assert [p.tolist() for p in mask.polygons] == [[0, 0, 5, 0, 5, 5, 0, 5]]


def test_area_and_box_agree_between_pixels_and_polygons():
    pixels = np.zeros((20, 30), bool)
    pixels[3:10, 5:25] = True
    drawn, outlined = GenericMask(pixels, 20, 30), GenericMask([[5, 3, 25, 3, 25, 10, 5, 10]], 20, 30)
    assert drawn.area() == outlined.area() == 140
    assert drawn.bbox().tolist() == outlined.bbox().tolist() == [5, 3, 25, 10]


def test_an_empty_mask_has_no_outline_and_no_area():
    mask = GenericMask(np.zeros((4, 4)), 4, 4)
    assert (mask.polygons, mask.has_holes, mask.area(), mask.bbox().tolist()) == ([], False, 0, [0, 0, 0, 0])


def test_the_centre_for_text_lies_inside_a_horseshoe():
    mask = np.zeros((200, 300), bool)
    mask[10:190, 10:290] = True
    mask[10:150, 60:240] = False
    x, y = visual_center(mask)
    assert mask[int(y), int(x)]


def test_rejects_a_mask_of_another_size():
    with pytest.raises(ValueError, match=r"size of the image \(5, 4\), got \(4, 4\)"):
        GenericMask(np.zeros((4, 4)), 5, 4)
