"""Rasterisation of polygons by COCO's rule, bit-identical to pycocotools.

A polygon is a flat sequence `x0, y0, x1, y1, …` of at least three vertices in pixels (NumPy array, tensor or list). An
object is a list of polygons and covers their union. Coordinates must be finite, but may be outside the image. All
functions run on the CPU; many objects are processed in parallel.

Source: the mask API of Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014.
"""

from collections.abc import Sequence
from typing import Any

import torch

from detectory.ops._checks.arguments import check_tensor
from detectory.ops._library import ops
from detectory.ops._rle_tensors import RLE, offsets_of, rle_dicts

Polygon = Any
"""A flat sequence of x and y coordinates: NumPy array, tensor or list."""


def polygons_to_mask(polygons: Sequence[Polygon], height: int, width: int) -> torch.Tensor:
    """Rasterise one object.

    Args:
        polygons: The object's polygons; without polygons the mask is empty.
        height: Height of the image, pixels.
        width: Width of the image, pixels.

    Returns:
        (H, W) bool on the CPU.

    Raises:
        ValueError: If a polygon has fewer than three vertices or a non-finite coordinate, or a size is negative.

    Example:
        >>> polygons_to_mask([[1, 1, 3, 1, 3, 3, 1, 3]], 4, 4).int().tolist()
        [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    _check_size("polygons_to_mask", height, width)
    return ops.polygons_to_masks(*_packed("polygons_to_mask", [polygons]), height, width)[0]


def polygons_to_rle(polygons: Sequence[Polygon], height: int, width: int) -> RLE:
    """Encode one object as COCO run lengths, without rasterising it.

    Args:
        polygons: The object's polygons; without polygons the mask is empty.
        height: Height of the image, pixels.
        width: Width of the image, pixels.

    Returns:
        A COCO dict `{"size": [H, W], "counts": bytes}`.

    Raises:
        ValueError: If a polygon has fewer than three vertices or a non-finite coordinate, or if the size is negative or
            at least 2^31 pixels.
    """
    return polygon_sets_to_rles([polygons], [(height, width)])[0]


def polygon_sets_to_rles(polygon_sets: Sequence[Sequence[Polygon]], sizes: Sequence[tuple[int, int]]) -> list[RLE]:
    """Encode many objects, each in an image of a different size, in one call.

    Args:
        polygon_sets: The polygons of each of N objects.
        sizes: Height and width of the image of each object.

    Returns:
        N COCO dicts.

    Raises:
        ValueError: If the numbers of sizes and objects differ, or an argument is invalid for `polygons_to_rle`.
    """
    function = "polygons_to_rle"
    if len(sizes) != len(polygon_sets):
        raise ValueError(
            f"{function}: sizes must have one entry per object, got {len(sizes)} for {len(polygon_sets)} objects"
        )
    for height, width in sizes:
        _check_size(function, height, width)
    extents = torch.tensor([list(size) for size in sizes], dtype=torch.int64).reshape(-1, 2)
    counts, offsets = ops.polygons_to_rle(*_packed(function, polygon_sets), extents)
    return rle_dicts(counts, offsets, sizes)


def rasterize_polygons_within_boxes(
    polygon_sets: Sequence[Sequence[Polygon]],
    boxes: torch.Tensor,
    size: int,
    indices: torch.Tensor | None = None,
) -> torch.Tensor:
    """Rasterise objects within boxes at a fixed resolution: the targets of the mask loss.

    Args:
        polygon_sets: The polygons of each of N objects, in image coordinates.
        boxes: (R, 4) `(x1, y1, x2, y2)` in image coordinates, finite. Sides are at least 0.1.
        size: Side length of the output, pixels.
        indices: (R,) int64 on the CPU, the object of each box; None if there is one box per object.

    Returns:
        (R, size, size) bool on the boxes' device.

    Raises:
        TypeError: If `boxes` is not a floating tensor, or `indices` not an integer one.
        ValueError: If a polygon has fewer than three vertices, a coordinate is not finite, shapes do not match, `size`
            is negative, or an index is out of range.

    Source: He et al., "Mask R-CNN", ICCV 2017, section 3 (the mask target is the intersection of a region with its
    ground-truth mask).
    """
    function = "rasterize_polygons_within_boxes"
    check_tensor(function, "boxes", boxes, "(R, 4)")
    chosen = torch.arange(len(polygon_sets)) if indices is None else indices
    check_tensor(function, "indices", chosen, "(R,)", "integer")
    if len(chosen) != len(boxes):
        raise ValueError(
            f"{function}: boxes must have one entry per object, got {len(boxes)} for {len(chosen)} objects"
        )
    if size < 0:
        raise ValueError(f"{function}: size must not be negative, got {size}")
    regions, chosen = boxes.detach().cpu(), chosen.cpu()
    if not bool(regions.isfinite().all()):
        raise ValueError(f"{function}: boxes must be finite, got {regions[~regions.isfinite().all(1)][0].tolist()}")
    if len(chosen) and not 0 <= int(chosen.min()) <= int(chosen.max()) < len(polygon_sets):
        raise ValueError(
            f"{function}: indices must be in [0, {len(polygon_sets)}), got {int(chosen.min())} to {int(chosen.max())}"
        )
    packed = _packed(function, polygon_sets)
    return ops.rasterize_polygons_within_boxes(*packed, chosen, regions, size).to(boxes.device)


def _check_size(function: str, height: int, width: int) -> None:
    if height < 0 or width < 0 or height * width >= 2**31:
        raise ValueError(
            f"{function}: height and width must be non-negative and below 2^31 pixels, got {height} and {width}"
        )


def _packed(
    function: str, polygon_sets: Sequence[Sequence[Polygon]]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the coordinates of all vertices (P, 2), the offsets of polygons and the offsets of objects."""
    rows = [torch.as_tensor(polygon, dtype=torch.float64) for polygons in polygon_sets for polygon in polygons]
    for index, row in enumerate(rows):
        if row.dim() != 1 or len(row) < 6 or len(row) % 2:
            raise ValueError(
                f"{function}: polygon {index} must be flat with an even number of at least 6 coordinates, "
                f"got shape {tuple(row.shape)}"
            )
    flat = torch.cat(rows) if rows else torch.empty(0, dtype=torch.float64)
    offsets = offsets_of(rows) // 2
    coordinates = flat.cpu().reshape(-1, 2)
    if not bool(coordinates.isfinite().all()):
        vertex = int((~coordinates.isfinite().all(1)).int().argmax())
        index = int(torch.searchsorted(offsets, vertex, right=True)) - 1
        raise ValueError(f"{function}: polygon {index} must be finite, got {coordinates[vertex].tolist()}")
    return coordinates, offsets, offsets_of(polygon_sets)


@torch.library.register_fake("detectory::polygons_to_masks")
def _fake_masks(
    coordinates: torch.Tensor, _polygon_offsets: torch.Tensor, set_offsets: torch.Tensor, height: int, width: int
) -> torch.Tensor:
    return coordinates.new_empty(set_offsets.shape[0] - 1, height, width, dtype=torch.bool)


@torch.library.register_fake("detectory::polygons_to_rle")
def _fake_rle(
    coordinates: torch.Tensor, _polygon_offsets: torch.Tensor, set_offsets: torch.Tensor, _sizes: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    runs = torch.library.get_ctx().new_dynamic_size()
    return coordinates.new_empty(runs, dtype=torch.int32), coordinates.new_empty(
        set_offsets.shape[0], dtype=torch.int64
    )


@torch.library.register_fake("detectory::rasterize_polygons_within_boxes")
def _fake_within_boxes(
    coordinates: torch.Tensor,
    _polygon_offsets: torch.Tensor,
    _set_offsets: torch.Tensor,
    _indices: torch.Tensor,
    boxes: torch.Tensor,
    size: int,
) -> torch.Tensor:
    return coordinates.new_empty(boxes.shape[0], size, size, dtype=torch.bool)
