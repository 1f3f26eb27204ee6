"""What happens when deterministic algorithms are asked for and a CUDA kernel adds in any order."""

import warnings

import torch


def require_determinism(function: str, device: torch.device) -> None:
    """Refuse a backward pass on CUDA that adds with atomics when the user wants determinism.

    The CPU kernels are deterministic always.

    Raises:
        RuntimeError: `torch.use_deterministic_algorithms(True)` is on and the device is CUDA; with `warn_only` it is a
            warning.
    """
    if device.type != "cuda" or not torch.are_deterministic_algorithms_enabled():
        return
    message = f"{function}: the backward pass on CUDA has no deterministic implementation; the one on the CPU is"
    if not torch.is_deterministic_algorithms_warn_only_enabled():
        raise RuntimeError(message)
    warnings.warn(message, stacklevel=2)
