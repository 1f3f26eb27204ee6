"""The choice of float32, bfloat16 or float16 by what a device computes fast."""

import logging
import time
import warnings

import torch
from torch.nn import functional as F

from detectory.core.processor import has_bfloat16_arithmetic, has_float16_arithmetic, instruction_set
from detectory.core.suggestions import nearest

_logger = logging.getLogger(__name__)

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def is_native(dtype: torch.dtype, device: str | torch.device) -> bool:
    """Return whether a device computes a floating type with its own instructions, not by emulation.

    Args:
        dtype: `torch.float32`, `torch.bfloat16` or `torch.float16`; any other type counts as native.
        device: The device that computes.
    """
    device_type = torch.device(device).type
    if dtype == torch.bfloat16:
        if device_type == "cuda":
            return torch.cuda.is_bf16_supported(including_emulation=False)
        return device_type != "cpu" or has_bfloat16_arithmetic()
    if dtype == torch.float16:
        return device_type != "cpu" or has_float16_arithmetic()
    return True


def fastest_precision(device: str | torch.device) -> torch.dtype:
    """Return the type for mixed precision on a device: bfloat16 if native, else float16 on GPUs, float32 on CPUs."""
    if is_native(torch.bfloat16, device):
        return torch.bfloat16
    return torch.float32 if torch.device(device).type == "cpu" else torch.float16


def resolve_precision(
    precision: str | torch.dtype | None, device: str | torch.device, argument: str = "precision"
) -> torch.dtype:
    """Return the type that a user's setting means on a device, and warn if the device emulates it.

    Args:
        precision: A key of `PRECISIONS`, one of its types, or None for `fastest_precision`.
        device: The device that computes.
        argument: Name of the setting in messages.

    Returns:
        `torch.float32`, `torch.bfloat16` or `torch.float16`.

    Raises:
        ValueError: If the precision is unknown; the message names the nearest known one.
    """
    if precision is None:
        return fastest_precision(device)
    if isinstance(precision, str):
        if precision not in PRECISIONS:
            raise ValueError(f"{argument}: unknown precision '{precision}': {nearest(precision, PRECISIONS)}")
        precision = PRECISIONS[precision]
    elif precision not in PRECISIONS.values():
        raise ValueError(f"{argument} must be one of {', '.join(map(str, PRECISIONS.values()))}, got {precision}")
    if not is_native(precision, device):
        _warn_of_emulation(precision, torch.device(device), argument)
    return precision


def _warn_of_emulation(dtype: torch.dtype, device: torch.device, argument: str) -> None:
    name = str(dtype).removeprefix("torch.")
    unit = f"this processor ({instruction_set()})" if device.type == "cpu" else f"{device}"
    slowdown = measure_slowdown(dtype, device)
    warnings.warn(
        f"{argument}: {unit} emulates {name}: a convolution takes {slowdown:.0f} times as long as in float32",
        stacklevel=3,
    )


def measure_slowdown(dtype: torch.dtype, device: str | torch.device = "cpu") -> float:
    """Return how many times as long as in float32 a 3x3 convolution takes in another type, measured now.

    One image of 128 channels and 32 x 32 pixels, the fastest of three runs. Takes a fraction of a second even where
    the type is emulated.
    """
    with torch.inference_mode():
        seconds = [_convolution_seconds(choice, torch.device(device)) for choice in (dtype, torch.float32)]
    return seconds[0] / seconds[1]


def _convolution_seconds(dtype: torch.dtype, device: torch.device) -> float:
    x = torch.zeros(1, 128, 32, 32, dtype=dtype, device=device)
    weight = torch.zeros(128, 128, 3, 3, dtype=dtype, device=device)
    runs = []
    for _ in range(4):  # the first one chooses and compiles the kernel
        start = time.perf_counter()
        F.conv2d(x, weight, padding=1).sum().item()
        runs.append(time.perf_counter() - start)
    return min(runs[1:])
