"""Rasterisation of the polygons of one object."""

from collections.abc import Sequence

import numpy as np
import torch

from detectory import ops


def polygons_to_bitmask(polygons: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
    """Rasterise the union of the polygons with COCO's rule, as pycocotools does.

    Args:
        polygons: Polygons `[x0, y0, x1, y1, …]` in pixels; an empty list returns an empty mask.
        height: The height of the image.
        width: The width of the image.

    Returns:
        Bool, shape (height, width).
    """
    if len(polygons) == 0:
        return np.zeros((height, width), dtype=bool)
    return ops.polygons_to_mask(polygons, height, width).numpy()


def rasterize_polygons_within_box(polygons: Sequence[np.ndarray], box: np.ndarray, mask_size: int) -> torch.Tensor:
    """Rasterise the part of an object inside a box: the training target of a mask head.

    Args:
        polygons: Polygons `[x0, y0, x1, y1, …]` in pixels.
        box: `(x1, y1, x2, y2)` in pixels; sides shorter than 0.1 are treated as 0.1.
        mask_size: The side of the result in cells.

    Returns:
        Bool, shape (mask_size, mask_size).
    """
    boxes = torch.as_tensor(box, dtype=torch.float64).reshape(1, 4)
    return ops.rasterize_polygons_within_boxes([polygons], boxes, mask_size)[0]
