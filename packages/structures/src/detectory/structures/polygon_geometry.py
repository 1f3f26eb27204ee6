"""Measures of polygons."""

import numpy as np


def polygon_area(x: np.ndarray, y: np.ndarray) -> float:
    """Return the area of a simple polygon (shoelace formula).

    Args:
        x: The x coordinates of the vertices, shape (n,).
        y: The y coordinates of the vertices, shape (n,).
    """
    return 0.5 * float(np.abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))))
