"""Parsing of device names with an availability check."""

import torch


def usable_device(name: str | torch.device) -> torch.device:
    """Return the device for a name such as `"cpu"` or `"cuda:1"`.

    Raises:
        ValueError: If the name is not a valid device.
        RuntimeError: If the device is a GPU that torch does not see.
    """
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"usable_device: {name!r} is not a valid device, expected 'cpu', 'cuda' or 'cuda:N'"
        ) from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(f"device '{name}' is unavailable: torch sees no GPU; use 'cpu'")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise RuntimeError(
            f"device '{name}' is unavailable: torch sees {torch.cuda.device_count()} GPUs (indices start at 0)"
        )
    return device
