"""Polygons of one object: area and rasterisation."""

from collections.abc import Sequence

import numpy as np
import torch

from detectory import ops


def polygon_area(x: np.ndarray, y: np.ndarray) -> float:
    """Return the area of a polygon by the shoelace formula.

    Args:
        x: The vertices' x, shape (n,).
        y: The vertices' y, shape (n,).
    """
    return 0.5 * float(np.abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))))


def polygons_to_bitmask(polygons: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
    """Rasterise the union of an object's polygons by COCO's rule.

    Args:
        polygons: Each `[x0, y0, x1, y1, …]` in absolute coordinates; none gives an empty mask.
        height: Of the image, pixels.
        width: Of the image, pixels.

    Returns:
        Bool, shape (height, width).
    """
    if len(polygons) == 0:
        return np.zeros((height, width), dtype=bool)
    return ops.polygons_to_mask(polygons, height, width).numpy()


def rasterize_polygons_within_box(polygons: Sequence[np.ndarray], box: np.ndarray, mask_size: int) -> torch.Tensor:
    """Rasterise the part of an object's polygons inside a box, the training target of a mask head.

    Args:
        polygons: Each `[x0, y0, x1, y1, …]` in absolute coordinates.
        box: `(x1, y1, x2, y2)`; sides below 0.1 count as 0.1.
        mask_size: Side of the result, pixels.

    Returns:
        Bool, shape (mask_size, mask_size).
    """
    boxes = torch.as_tensor(box, dtype=torch.float64).reshape(1, 4)
    return ops.rasterize_polygons_within_boxes([polygons], boxes, mask_size)[0]
