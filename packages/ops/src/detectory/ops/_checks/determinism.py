"""Support for `torch.use_deterministic_algorithms`."""

import warnings

import torch


def require_determinism(function: str, device: torch.device) -> None:
    """Raise an error if a CUDA backward pass uses atomic additions although determinism is required.

    CPU kernels are always deterministic.

    Raises:
        RuntimeError: If `torch.use_deterministic_algorithms(True)` is set and the device is CUDA; with `warn_only` a
            warning is issued instead.
    """
    if device.type != "cuda" or not torch.are_deterministic_algorithms_enabled():
        return
    message = f"{function}: the backward pass on CUDA is not deterministic. Use the CPU instead"
    if not torch.is_deterministic_algorithms_warn_only_enabled():
        raise RuntimeError(message)
    warnings.warn(message, stacklevel=2)
