"""Polygons to pixels by COCO's rule: what pycocotools draws, to the bit.

A polygon is a flat sequence `x0, y0, x1, y1, …` of at least three vertices in pixels (NumPy array, tensor or list). An
object is a list of polygons, of which it covers the union. Coordinates may lie outside of the picture; they must be
finite. All functions work on the CPU, on torch's threads where there are many objects.

Source: the rasterisation of Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014 (mask API).
"""

from collections.abc import Sequence
from typing import Any

import torch

from detectory.ops._arguments import check_tensor
from detectory.ops._library import ops
from detectory.ops._rle_tensors import RLE, offsets_of, rle_dicts

Polygon = Any
"""A flat sequence of x and y: NumPy array, tensor or list of numbers."""


def polygons_to_mask(polygons: Sequence[Polygon], height: int, width: int) -> torch.Tensor:
    """Draw one object.

    Args:
        polygons: The object's polygons; none gives an empty mask.
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.

    Returns:
        (H, W) bool on the CPU.

    Raises:
        ValueError: a polygon without three vertices or with a coordinate that is not finite, or a negative size.

    Example:
        >>> polygons_to_mask([[1, 1, 3, 1, 3, 3, 1, 3]], 4, 4).int().tolist()
        [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    _check_size("polygons_to_mask", height, width)
    return ops.polygons_to_masks(*_packed("polygons_to_mask", [polygons]), height, width)[0]


def polygons_to_rle(polygons: Sequence[Polygon], height: int, width: int) -> RLE:
    """Encode one object as COCO run lengths, without drawing it.

    Args:
        polygons: The object's polygons; none gives an empty mask.
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.

    Returns:
        One COCO dict `{"size": [H, W], "counts": bytes}`.

    Raises:
        ValueError: a polygon without three vertices or with a coordinate that is not finite, a negative size, or 2^31
            pixels and more.
    """
    return polygon_sets_to_rles([polygons], [(height, width)])[0]


def polygon_sets_to_rles(polygon_sets: Sequence[Sequence[Polygon]], sizes: Sequence[tuple[int, int]]) -> list[RLE]:
    """Encode many objects, each in a picture of its own size, in one call.

    Args:
        polygon_sets: For each of N objects its polygons.
        sizes: For each object the height and width of its picture.

    Returns:
        N COCO dicts.

    Raises:
        ValueError: as `polygons_to_rle`, or not one size for each object.
    """
    function = "polygons_to_rle"
    if len(sizes) != len(polygon_sets):
        raise ValueError(f"{function}: sizes must be as many as objects, got {len(sizes)} and {len(polygon_sets)}")
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
    """Crop objects to boxes, stretch each crop to size x size pixels and draw it: the targets of a mask loss.

    Args:
        polygon_sets: For each of N objects its polygons, in pixels of the image.
        boxes: (R, 4) `(x1, y1, x2, y2)` in pixels of the image, finite. A side shorter than 0.1 counts as 0.1.
        size: Pixels along each side of the result.
        indices: (R,) int64, the object that each box crops, on the CPU; None where there is one box for each object.

    Returns:
        (R, size, size) bool on the boxes' device.

    Raises:
        TypeError: boxes are no floating tensor, or indices no integer one.
        ValueError: a polygon without three vertices or with a coordinate that is not finite, a box that is not, a shape
            that does not fit, a negative size, or an index that names no object.

    Source: He et al., "Mask R-CNN", ICCV 2017, section 3 (the mask target is the intersection of a region with its
    ground-truth mask).
    """
    function = "rasterize_polygons_within_boxes"
    check_tensor(function, "boxes", boxes, "(R, 4)")
    chosen = torch.arange(len(polygon_sets)) if indices is None else indices
    check_tensor(function, "indices", chosen, "(R,)", "integer")
    if len(chosen) != len(boxes):
        raise ValueError(f"{function}: boxes and objects must be as many, got {len(boxes)} and {len(chosen)}")
    if size < 0:
        raise ValueError(f"{function}: size must not be negative, got {size}")
    regions, chosen = boxes.detach().cpu(), chosen.cpu()
    if not bool(regions.isfinite().all()):
        raise ValueError(f"{function}: boxes must be finite, got {regions[~regions.isfinite().all(1)][0].tolist()}")
    if len(chosen) and not 0 <= int(chosen.min()) <= int(chosen.max()) < len(polygon_sets):
        raise ValueError(
            f"{function}: indices must lie in [0, {len(polygon_sets)}), got {int(chosen.min())} to {int(chosen.max())}"
        )
    packed = _packed(function, polygon_sets)
    return ops.rasterize_polygons_within_boxes(*packed, chosen, regions, size).to(boxes.device)


def _check_size(function: str, height: int, width: int) -> None:
    if height < 0 or width < 0 or height * width >= 2**31:
        raise ValueError(f"{function}: height and width must be >= 0, below 2^31 pixels, got {height} and {width}")


def _packed(
    function: str, polygon_sets: Sequence[Sequence[Polygon]]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Coordinates of all vertices (P, 2), offsets of the polygons, offsets of the objects."""
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
