"""Comparison of torch versions."""

import torch

__all__ = ["min_torch_version"]


def min_torch_version(min_version: str) -> bool:
    """Return whether the installed torch is at least the given version, such as `"2.10"`."""
    installed = [int(part) for part in torch.__version__.split("+")[0].split(".")[:2]]
    return installed >= [int(part) for part in min_version.split(".")[:2]]
