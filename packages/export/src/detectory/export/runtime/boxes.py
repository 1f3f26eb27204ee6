"""Scaling and clipping of boxes `(x1, y1, x2, y2)` and of rotated boxes `(cx, cy, w, h, degrees)`."""

import numpy as np

_CLIP_ANGLE = 1.0  # degrees; steeper boxes are not clipped, because the result would not be a rectangle


def scale(boxes: np.ndarray, scale_x: float, scale_y: float) -> np.ndarray:
    """Scale (N, 4) boxes or (N, 5) rotated boxes together with the image, in float32."""
    if boxes.shape[1] == 4:
        return boxes * np.array([scale_x, scale_y, scale_x, scale_y], np.float32)
    cx, cy, w, h, angle = boxes.T
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    width = w * np.sqrt((scale_x * cos) ** 2 + (scale_y * sin) ** 2)
    height = h * np.sqrt((scale_x * sin) ** 2 + (scale_y * cos) ** 2)
    turned = np.rad2deg(np.arctan2(scale_x * sin, scale_y * cos))
    return np.stack([cx * scale_x, cy * scale_y, width, height, turned], axis=1).astype(np.float32)


def clip(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Clip boxes to the image; of rotated boxes only nearly horizontal ones. Angles are normalised to [-180, 180)."""
    if boxes.shape[1] == 4:
        return boxes.clip(0, np.array([width, height, width, height], np.float32))
    cx, cy, w, h, angle = boxes.T
    angle = (angle + 180) % 360 - 180
    x1, x2 = ((cx + sign * w / 2).clip(0, width) for sign in (-1, 1))
    y1, y2 = ((cy + sign * h / 2).clip(0, height) for sign in (-1, 1))
    clipped = np.stack([(x1 + x2) / 2, (y1 + y2) / 2, np.minimum(w, x2 - x1), np.minimum(h, y2 - y1), angle], axis=1)
    kept = np.stack([cx, cy, w, h, angle], axis=1)
    return np.where(np.abs(angle)[:, None] <= _CLIP_ANGLE, clipped, kept).astype(np.float32)


def is_nonempty(boxes: np.ndarray) -> np.ndarray:
    """Return whether both sides of each box are longer than 0, (N,) bool."""
    if boxes.shape[1] == 5:
        return (boxes[:, 2] > 0) & (boxes[:, 3] > 0)
    return (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
