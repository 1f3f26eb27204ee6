"""Checks of tensor arguments; each message names the function, the argument and the value."""

import torch

from detectory.ops._library import cuda_absence


def check_tensor(function: str, name: str, value: object, shape: str = "", dtypes: str = "floating") -> None:
    """Check the type, shape, dtype and device of an argument.

    Args:
        function: Name of the calling function, for messages.
        name: Name of the argument.
        value: Value of the argument.
        shape: Expected shape as documented, e.g. `"(N, 4)"`: numbers must match, letters match any size. Empty for any
            shape.
        dtypes: `"floating"`, `"integer"`, `"bool"`, `"real"` (all but complex) or `"any"`.

    Raises:
        TypeError: If the value is not a tensor, or its dtype is invalid.
        ValueError: If the shape does not match.
        RuntimeError: If the tensor is on CUDA and CUDA kernels are unavailable.
    """
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{function}: {name} must be a tensor, got {type(value).__name__}")
    if shape and not _fits(value, shape):
        raise ValueError(f"{function}: {name} must have shape {shape}, got {tuple(value.shape)}")
    if not _has_dtype(value.dtype, dtypes):
        raise TypeError(f"{function}: {name} must have {dtypes} dtype, got {value.dtype}")
    if value.is_cuda and cuda_absence is not None:
        raise RuntimeError(f"{function}: {name} is on {value.device}, but CUDA kernels are unavailable: {cuda_absence}")


def check_same(function: str, first: str, value: torch.Tensor, second: str, other: torch.Tensor) -> None:
    """Check that two tensor arguments have the same dtype and device.

    Raises:
        TypeError: If the dtypes differ.
        ValueError: If the devices differ.
    """
    if value.dtype != other.dtype:
        raise TypeError(
            f"{function}: {first} and {second} must have the same dtype, got {value.dtype} and {other.dtype}"
        )
    check_same_device(function, first, value, second, other)


def check_same_device(function: str, first: str, value: torch.Tensor, second: str, other: torch.Tensor) -> None:
    """Check that two tensor arguments are on the same device.

    Raises:
        ValueError: If the devices differ.
    """
    if value.device != other.device:
        raise ValueError(
            f"{function}: {first} and {second} must be on the same device, got {value.device} and {other.device}"
        )


def _fits(tensor: torch.Tensor, shape: str) -> bool:
    sizes = _parsed(shape)
    return tensor.dim() == len(sizes) and all(size is None or tensor.shape[i] == size for i, size in enumerate(sizes))


_PARSED: dict[str, tuple[int | None, ...]] = {}


def _parsed(shape: str) -> tuple[int | None, ...]:
    if shape not in _PARSED:
        parts = (part.strip() for part in shape.strip("()").split(","))
        _PARSED[shape] = tuple(int(part) if part.isdigit() else None for part in parts if part)
    return _PARSED[shape]


def _has_dtype(dtype: torch.dtype, dtypes: str) -> bool:
    if dtypes == "floating":
        return dtype.is_floating_point
    if dtypes == "integer":
        return not dtype.is_floating_point and not dtype.is_complex and dtype != torch.bool
    if dtypes == "real":
        return not dtype.is_complex
    return dtypes == "any" or dtype == torch.bool
