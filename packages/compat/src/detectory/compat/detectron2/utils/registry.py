"""Registries, and objects by dotted path."""

from typing import Any

from detectory.core.config import dotted_path, locate
from detectory.core.registry import Registry

__all__ = ["Registry", "locate"]


def _convert_target_to_string(t: Any) -> str:
    """Return the dotted path that :func:`locate` finds ``t`` by."""
    return dotted_path(t)
