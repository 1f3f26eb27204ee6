"""Masks of the objects of one image as polygons."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from detectory import ops

from ._annotations import Index
from .boxes import Boxes, box_tensor
from .polygon_geometry import polygon_area


class PolygonMasks:
    """N objects. The mask of an object is the union of its polygons. The data always stays on the CPU.

    Args:
        polygons: For each object a list of polygons `[x0, y0, x1, y1, …]` in pixels, each with at least three vertices.
            The list of an object may be empty.

    Attributes:
        polygons: For each object a list of float64 arrays.

    Raises:
        ValueError: If a polygon has fewer than three vertices or an odd number of coordinates.
        TypeError: If `polygons` is not a list of lists.
    """

    def __init__(self, polygons: Sequence[Sequence[torch.Tensor | np.ndarray]]) -> None:
        if not isinstance(polygons, list | tuple):
            raise TypeError(f"PolygonMasks: polygons must be a list of lists of arrays, got {type(polygons).__name__}")
        self.polygons = [_object_polygons(arrays, i) for i, arrays in enumerate(polygons)]

    @property
    def device(self) -> torch.device:
        """The CPU."""
        return torch.device("cpu")

    def to(self, *_args: Any, **_kwargs: Any) -> "PolygonMasks":
        """Return the object itself, because polygons stay on the CPU."""
        return self

    def __len__(self) -> int:
        return len(self.polygons)

    def __repr__(self) -> str:
        return f"PolygonMasks(num_instances={len(self)})"

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        """Yield the list of polygons of each object."""
        return iter(self.polygons)

    def __getitem__(self, item: Index) -> "PolygonMasks":
        """Select objects. An int selects one object.

        Args:
            item: An int, a slice, a list or tensor of indices, or a bool tensor of length N.

        Raises:
            IndexError: If an index is out of range, or the length of a bool index differs from N.
        """
        if isinstance(item, int):
            selected = [self.polygons[item]]
        elif isinstance(item, slice):
            selected = self.polygons[item]
        else:
            selected = [self.polygons[i] for i in self._indices(item)]
        masks = PolygonMasks.__new__(PolygonMasks)  # skips the constructor: these polygons are already checked
        masks.polygons = selected
        return masks

    def _indices(self, item: Any) -> list[int]:
        index = np.asarray(item.cpu() if isinstance(item, torch.Tensor) else item)
        if index.size == 0 and index.dtype != bool:
            return []
        if index.ndim != 1 or index.dtype.kind not in "biu":
            raise IndexError(f"PolygonMasks: index must be one-dimensional integers or bools, got {item!r}")
        if index.dtype == bool:
            if len(index) != len(self):
                raise IndexError(f"PolygonMasks: bool index must have {len(self)} entries, got {len(index)}")
            return index.nonzero()[0].tolist()
        return index.tolist()

    def nonempty(self) -> torch.Tensor:
        """Return whether each object has at least one polygon, bool of shape (N,)."""
        return torch.tensor([len(polygons) > 0 for polygons in self.polygons], dtype=torch.bool)

    def area(self) -> torch.Tensor:
        """Return the summed area of the polygons of each object, float32 of shape (N,). Overlaps count twice."""
        areas = [sum(polygon_area(p[0::2], p[1::2]) for p in polygons) for polygons in self.polygons]
        return torch.tensor(areas, dtype=torch.float32)

    def get_bounding_boxes(self) -> Boxes:
        """Return the bounding boxes of the vertices; zeros for an object without polygons."""
        boxes = torch.zeros(len(self), 4)
        for box, polygons in zip(boxes, self.polygons, strict=True):
            if polygons:
                points = np.concatenate(polygons).reshape(-1, 2)
                box[:] = torch.from_numpy(np.concatenate([points.min(axis=0), points.max(axis=0)]))
        return Boxes(boxes)

    def crop_and_resize(self, boxes: torch.Tensor, mask_size: int) -> torch.Tensor:
        """Rasterise the part of each object inside its box: the training targets of a mask head.

        The polygons are moved and scaled to the box before rasterisation, which is more exact than rasterising in the
        image and resampling, as `BitMasks.crop_and_resize` does.

        Args:
            boxes: Shape (N, 4), one box per object, in pixels.
            mask_size: The side of the result in cells.

        Returns:
            Bool, shape (N, mask_size, mask_size), on the device of `boxes`.
        """
        rows = box_tensor("PolygonMasks.crop_and_resize", boxes, len(self))
        return ops.rasterize_polygons_within_boxes(self.polygons, rows, mask_size)

    @staticmethod
    def cat(polymasks_list: list["PolygonMasks"]) -> "PolygonMasks":
        """Concatenate masks; an empty list returns zero objects.

        Raises:
            TypeError: If an entry is not `PolygonMasks`.
        """
        for position, masks in enumerate(polymasks_list):
            if not isinstance(masks, PolygonMasks):
                raise TypeError(f"PolygonMasks.cat: entry {position} must be PolygonMasks, got {type(masks).__name__}")
        return PolygonMasks([polygons for masks in polymasks_list for polygons in masks.polygons])


def _object_polygons(polygons: Any, i: int) -> list[np.ndarray]:
    if not isinstance(polygons, list | tuple):
        raise TypeError(f"PolygonMasks: object {i} must be a list of polygons, got {type(polygons).__name__}")
    arrays = []
    for j, polygon in enumerate(polygons):
        values = polygon.detach().cpu().numpy() if isinstance(polygon, torch.Tensor) else polygon
        array = np.asarray(values, dtype=np.float64)
        if array.ndim != 1 or len(array) < 6 or len(array) % 2:
            raise ValueError(
                f"PolygonMasks: polygon {j} of object {i} must be [x0, y0, x1, y1, x2, y2, …], got shape {array.shape}"
            )
        arrays.append(array)
    return arrays
