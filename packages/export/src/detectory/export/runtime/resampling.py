"""Resampling of arrays with the formulas of `torch.nn.functional.interpolate`, `align_corners=False`."""

import numpy as np

_CUBIC = -0.75  # the parameter of torch's bicubic kernel


def bilinear_matrix(size: int, new_size: int) -> np.ndarray:
    """Return the float32 weights (new_size, size) that resize an axis bilinearly, without antialiasing."""
    position = np.maximum((np.arange(new_size) + 0.5) * (size / new_size) - 0.5, 0).astype(np.float32)
    lower = np.minimum(position.astype(np.int64), size - 1)
    fraction = position - lower
    weights = np.zeros((new_size, size), np.float32)
    rows = np.arange(new_size)
    weights[rows, lower] = 1 - fraction
    np.add.at(weights, (rows, np.minimum(lower + 1, size - 1)), fraction)
    return weights


def bicubic_matrix(size: int, new_size: int) -> np.ndarray:
    """Return the float32 weights (new_size, size) that resize an axis bicubically, without antialiasing."""
    position = ((np.arange(new_size) + 0.5) * (size / new_size) - 0.5).astype(np.float32)
    lower = np.floor(position).astype(np.int64)
    fraction = position - lower
    weights = np.zeros((new_size, size), np.float32)
    for tap, weight in zip((-1, 0, 1, 2), _cubic_weights(fraction), strict=True):
        np.add.at(weights, (np.arange(new_size), (lower + tap).clip(0, size - 1)), weight)
    return weights


def _cubic_weights(t: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the weights of the four neighbors; `t` is the distance to the second one."""
    return _far(t + 1), _near(t), _near(1 - t), _far(2 - t)


def _near(x: np.ndarray) -> np.ndarray:
    return ((_CUBIC + 2) * x - (_CUBIC + 3)) * x * x + 1


def _far(x: np.ndarray) -> np.ndarray:
    return ((_CUBIC * x - 5 * _CUBIC) * x + 8 * _CUBIC) * x - 4 * _CUBIC


def resize_bilinear(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize (K, H, W) float32 bilinearly to (K, height, width)."""
    rows = bilinear_matrix(maps.shape[1], height) @ maps  # (K, height, W)
    return rows @ bilinear_matrix(maps.shape[2], width).T
