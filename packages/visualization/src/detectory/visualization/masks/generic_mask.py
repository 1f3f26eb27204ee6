"""Mask of one object and its conversion between polygons, bitmaps and RLE."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from detectory.structures import BitMasks, PolygonMasks, polygon_area, polygons_to_bitmask, rle_to_bitmask

from .contours import trace_contours


class GenericMask:
    """The mask of one object in an image of a known size.

    Args:
        mask_or_polygons: A list of polygons, each [x1, y1, x2, y2, …] with at least three points; an (H, W) array or
            tensor, non-zero inside the object; or a COCO RLE, a dictionary of `size` and compressed or uncompressed
            `counts`.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Raises:
        ValueError: If a bitmap or RLE does not have the size of the image.
        TypeError: If the mask has an unsupported type.
    """

    def __init__(self, mask_or_polygons: Any, height: int, width: int) -> None:
        self.height = height
        self.width = width
        self._polygons: list[np.ndarray] | None = None
        if isinstance(mask_or_polygons, Mapping):
            self.__dict__["mask"] = self._checked(rle_to_bitmask(mask_or_polygons))
        elif isinstance(mask_or_polygons, (list, tuple)):
            self._polygons = [np.asarray(p, dtype=np.float64).reshape(-1) for p in mask_or_polygons]
        elif isinstance(mask_or_polygons, (np.ndarray, torch.Tensor)):
            if isinstance(mask_or_polygons, torch.Tensor):
                mask_or_polygons = mask_or_polygons.detach().cpu().numpy()
            array = np.asarray(mask_or_polygons)
            self.__dict__["mask"] = self._checked(array if array.dtype == np.bool_ else array != 0)
        else:
            got = type(mask_or_polygons).__name__
            raise TypeError(f"GenericMask: mask_or_polygons must be polygons, an array or an RLE, got {got}")

    @property
    def is_polygonal(self) -> bool:
        """Whether the mask was constructed from polygons."""
        return self._polygons is not None

    @cached_property
    def mask(self) -> np.ndarray:
        """The bitmap, (H, W) bool."""
        return self.polygons_to_mask(self.polygons)

    @cached_property
    def polygons(self) -> list[np.ndarray]:
        """Polygons [x1, y1, …], each (2 V,) float64; for a bitmap its outer outlines, without the outlines of holes."""
        return self._polygons if self._polygons is not None else self.mask_to_polygons(self.mask)[0]

    @cached_property
    def has_holes(self) -> bool:
        """Whether a bitmap has holes; always False for polygons."""
        return self._polygons is None and self.mask_to_polygons(self.mask)[1]

    def mask_to_polygons(self, mask: np.ndarray) -> tuple[list[np.ndarray], bool]:
        """Return the outer outlines of an (H, W) mask as polygons [x1, y1, …], and whether the mask has holes."""
        contours = trace_contours(mask)
        return [c.points.reshape(-1) for c in contours if not c.is_hole], any(c.is_hole for c in contours)

    def polygons_to_mask(self, polygons: Sequence[np.ndarray]) -> np.ndarray:
        """Rasterise polygons by COCO's rule and return an (H, W) bool array."""
        return np.asarray(polygons_to_bitmask([np.asarray(p) for p in polygons], self.height, self.width), dtype=bool)

    def area(self) -> float:
        """Return the number of pixels; for polygons the sum of their areas."""
        if self._polygons is None:
            return float(np.count_nonzero(self.mask))
        return float(sum(polygon_area(p[0::2], p[1::2]) for p in self._polygons))

    def bbox(self) -> np.ndarray:
        """Return the bounding box (4,) float64 as (x1, y1, x2, y2); zeros for an empty mask."""
        if self._polygons is None:
            left, top, crop = cropped(self.mask)
            return np.array([left, top, left + crop.shape[1], top + crop.shape[0]], dtype=np.float64)
        if not self._polygons:
            return np.zeros(4)
        points = np.concatenate(self._polygons).reshape(-1, 2)
        return np.concatenate([points.min(axis=0), points.max(axis=0)])

    def _checked(self, mask: np.ndarray) -> np.ndarray:
        if mask.shape != (self.height, self.width):
            raise ValueError(
                f"GenericMask: mask must have the size of the image {(self.height, self.width)}, got {mask.shape}"
            )
        return mask


def generic_masks(masks: Any, height: int, width: int) -> list[GenericMask]:
    """Convert masks of any supported type to one `GenericMask` per object.

    Args:
        masks: `PolygonMasks`, `BitMasks`, an (N, H, W) array or tensor, or a sequence of `GenericMask` objects or of
            arguments of `GenericMask`.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
    """
    if isinstance(masks, PolygonMasks):
        masks = masks.polygons
    elif isinstance(masks, BitMasks):
        masks = masks.tensor
    if isinstance(masks, torch.Tensor):
        masks = masks.detach().cpu().numpy()
    return [mask if isinstance(mask, GenericMask) else GenericMask(mask, height, width) for mask in masks]


def cropped(mask: np.ndarray) -> tuple[int, int, np.ndarray]:
    """Crop a mask (H, W) bool to its bounding box.

    Returns:
        `(left, top, crop)`, with the pixels of the bounding box; `(0, 0, empty)` for an empty mask.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return 0, 0, mask[:0, :0]
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    return left, top, mask[top:bottom, left:right]
