"""Parsing and checking of device names."""

import torch


def usable_device(name: str | torch.device) -> torch.device:
    """Return the device of a name such as `"cpu"` or `"cuda:1"`.

    Raises:
        ValueError: it names no device.
        RuntimeError: it is a GPU, and torch sees none or fewer.
    """
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"{name!r} is no device; for example 'cuda' or 'cpu'") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(f"the device is '{name}', but torch sees no GPU; 'cpu' uses the CPU")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise RuntimeError(f"the device is '{name}', but torch sees {torch.cuda.device_count()} GPUs, counted from 0")
    return device
