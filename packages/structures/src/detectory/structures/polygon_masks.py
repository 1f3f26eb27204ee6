"""Masks of one image's objects as polygons."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from detectory import ops

from ._annotations import Index
from .boxes import Boxes, box_tensor
from .polygons import polygon_area


class PolygonMasks:
    """N objects, each a list of polygons whose union is the mask. Lives on the CPU.

    Args:
        polygons: For each object its polygons `[x0, y0, x1, y1, …]`, absolute coordinates, at least three points.
            An object may have no polygon.

    Attributes:
        polygons: List of lists of float64 arrays.

    Raises:
        ValueError: when a polygon has fewer than three points or an odd number of coordinates.
        TypeError: when the nesting is another one.
    """

    def __init__(self, polygons: Sequence[Sequence[torch.Tensor | np.ndarray]]) -> None:
        if not isinstance(polygons, list | tuple):
            raise TypeError(f"PolygonMasks: polygons must be a list of lists of arrays, got {type(polygons).__name__}")
        self.polygons = [_checked_polygons(of_one, i) for i, of_one in enumerate(polygons)]

    @property
    def device(self) -> torch.device:
        """The CPU."""
        return torch.device("cpu")

    def to(self, *_args: Any, **_kwargs: Any) -> "PolygonMasks":
        """Return the object itself: polygons stay on the CPU."""
        return self

    def __len__(self) -> int:
        return len(self.polygons)

    def __repr__(self) -> str:
        return f"PolygonMasks(num_instances={len(self)})"

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        """Yield the polygons of one object at a time."""
        return iter(self.polygons)

    def __getitem__(self, item: Index) -> "PolygonMasks":
        """Select objects.

        Args:
            item: Int, slice, list or tensor of indices, or bool tensor of length N.

        Raises:
            IndexError: when an index is out of range or a bool tensor has another length.
        """
        if isinstance(item, int):
            selected = [self.polygons[item]]
        elif isinstance(item, slice):
            selected = self.polygons[item]
        else:
            selected = [self.polygons[i] for i in self._indices(item)]
        masks = PolygonMasks.__new__(PolygonMasks)  # the polygons were checked before
        masks.polygons = selected
        return masks

    def _indices(self, item: Any) -> list[int]:
        index = np.asarray(item.cpu() if isinstance(item, torch.Tensor) else item)
        if index.size == 0 and index.dtype != bool:
            return []
        if index.ndim != 1 or index.dtype.kind not in "biu":
            raise IndexError(f"PolygonMasks: an index must be one row of integers or bools, got {item!r}")
        if index.dtype == bool:
            if len(index) != len(self):
                raise IndexError(f"PolygonMasks: a bool index must have {len(self)} entries, got {len(index)}")
            return index.nonzero()[0].tolist()
        return index.tolist()

    def nonempty(self) -> torch.Tensor:
        """Return a bool tensor (N,): the object has at least one polygon."""
        return torch.tensor([len(of_one) > 0 for of_one in self.polygons], dtype=torch.bool)

    def area(self) -> torch.Tensor:
        """Return each object's area, the sum over its polygons, shape (N,), float32; overlaps count twice."""
        areas = [sum(polygon_area(p[0::2], p[1::2]) for p in of_one) for of_one in self.polygons]
        return torch.tensor(areas, dtype=torch.float32)

    def get_bounding_boxes(self) -> Boxes:
        """Return the tightest boxes around the vertices; zeros for an object without polygons."""
        boxes = torch.zeros(len(self), 4)
        for box, of_one in zip(boxes, self.polygons, strict=True):
            if of_one:
                points = np.concatenate(of_one).reshape(-1, 2)
                box[:] = torch.from_numpy(np.concatenate([points.min(axis=0), points.max(axis=0)]))
        return Boxes(boxes)

    def crop_and_resize(self, boxes: torch.Tensor, mask_size: int) -> torch.Tensor:
        """Rasterise each object inside its box, the training target of a mask head.

        Args:
            boxes: Shape (N, 4), one for each object.
            mask_size: Side of the result, pixels.

        Returns:
            Bool, shape (N, mask_size, mask_size), on the device of `boxes`.
        """
        rows = box_tensor("PolygonMasks.crop_and_resize", boxes, len(self))
        return ops.rasterize_polygons_within_boxes(self.polygons, rows, mask_size)

    @staticmethod
    def cat(polymasks_list: list["PolygonMasks"]) -> "PolygonMasks":
        """Join the objects.

        Raises:
            TypeError: when an entry is no `PolygonMasks`.
        """
        for position, masks in enumerate(polymasks_list):
            if not isinstance(masks, PolygonMasks):
                raise TypeError(f"PolygonMasks.cat: entry {position} must be PolygonMasks, got {type(masks).__name__}")
        return PolygonMasks([of_one for masks in polymasks_list for of_one in masks.polygons])


def _checked_polygons(of_one: Any, i: int) -> list[np.ndarray]:
    if not isinstance(of_one, list | tuple):
        raise TypeError(f"PolygonMasks: object {i} must be a list of polygons, got {type(of_one).__name__}")
    arrays = []
    for j, polygon in enumerate(of_one):
        values = polygon.detach().cpu().numpy() if isinstance(polygon, torch.Tensor) else polygon
        array = np.asarray(values, dtype=np.float64)
        if array.ndim != 1 or len(array) < 6 or len(array) % 2:
            raise ValueError(
                f"PolygonMasks: polygon {j} of object {i} must be [x0, y0, x1, y1, x2, y2, …], got shape {array.shape}"
            )
        arrays.append(array)
    return arrays
