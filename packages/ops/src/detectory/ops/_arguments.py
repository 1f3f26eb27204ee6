"""Checks of arguments that the operators' Python faces share; each message names function, argument and what came."""

import torch

from detectory.ops._library import cuda_absence


def check_tensor(function: str, name: str, value: object, shape: str = "", dtypes: str = "floating") -> None:
    """Check that an argument is a tensor of a shape and kind that the function takes.

    Args:
        function: The function that was called, for the message.
        name: The argument.
        value: What came.
        shape: The expected shape as documented, `"(N, 4)"`: numbers must match, letters take any size;
            empty for any shape.
        dtypes: `"floating"`, `"integer"`, `"bool"`, `"real"` (all but complex) or `"any"`.

    Raises:
        TypeError: not a tensor, or of another kind of dtype.
        ValueError: another shape.
        RuntimeError: a CUDA tensor where this installation has no CUDA kernels.
    """
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{function}: {name} must be a tensor, got {type(value).__name__}")
    if shape and not _fits(value, shape):
        raise ValueError(f"{function}: {name} must have shape {shape}, got {tuple(value.shape)}")
    if not _is_kind(value.dtype, dtypes):
        raise TypeError(f"{function}: {name} must have {dtypes} dtype, got {value.dtype}")
    if value.is_cuda and cuda_absence is not None:
        raise RuntimeError(f"{function}: {name} is on {value.device}, but there are no CUDA kernels: {cuda_absence}")


def check_same(function: str, first: str, value: torch.Tensor, second: str, other: torch.Tensor) -> None:
    """Check that two tensor arguments share dtype and device.

    Raises:
        TypeError: their dtypes differ.
        ValueError: their devices differ.
    """
    if value.dtype != other.dtype:
        raise TypeError(f"{function}: {first} and {second} must have one dtype, got {value.dtype} and {other.dtype}")
    check_same_device(function, first, value, second, other)


def check_same_device(function: str, first: str, value: torch.Tensor, second: str, other: torch.Tensor) -> None:
    """Check that two tensor arguments share a device.

    Raises:
        ValueError: their devices differ.
    """
    if value.device != other.device:
        raise ValueError(
            f"{function}: {first} and {second} must be on one device, got {value.device} and {other.device}"
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


def _is_kind(dtype: torch.dtype, kind: str) -> bool:
    if kind == "floating":
        return dtype.is_floating_point
    if kind == "integer":
        return not dtype.is_floating_point and not dtype.is_complex and dtype != torch.bool
    if kind == "real":
        return not dtype.is_complex
    return kind == "any" or dtype == torch.bool
