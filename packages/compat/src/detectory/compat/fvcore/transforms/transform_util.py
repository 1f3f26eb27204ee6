"""Conversions between arrays and tensors under fvcore's module path."""

import numpy as np
import torch

__all__ = ["to_float_tensor", "to_numpy"]


def to_float_tensor(numpy_array: np.ndarray) -> torch.Tensor:
    """Convert an image `(H, W)`, `(H, W, C)` or `(N, H, W, C)` to a float tensor `(N, C, H, W)` in [0, 1] for uint8.

    Raises:
        ValueError: If the array has another number of dimensions.
    """
    if not 2 <= numpy_array.ndim <= 4:
        raise ValueError(f"to_float_tensor: numpy_array must have 2 to 4 dimensions, got {numpy_array.ndim}")
    tensor = torch.from_numpy(np.ascontiguousarray(numpy_array))
    if numpy_array.ndim == 2:
        tensor = tensor[None, None]
    elif numpy_array.ndim == 3:
        tensor = tensor.permute(2, 0, 1)[None]
    else:
        tensor = tensor.permute(0, 3, 1, 2)
    return tensor.float() / 255 if tensor.dtype == torch.uint8 else tensor.float()


def to_numpy(float_tensor: torch.Tensor, target_shape: tuple[int, ...], target_dtype: np.dtype) -> np.ndarray:
    """Convert a tensor `(N, C, H, W)` back to an array with the shape's number of dimensions; see `to_float_tensor`."""
    if len(target_shape) == 2:
        array = float_tensor[0, 0].numpy()
    elif len(target_shape) == 3:
        array = float_tensor[0].permute(1, 2, 0).numpy()
    else:
        array = float_tensor.permute(0, 2, 3, 1).numpy()
    return (array * 255).round().astype(target_dtype) if target_dtype == np.uint8 else array.astype(target_dtype)
