"""`instantiate` under Detectron2's module path."""

import dataclasses
from typing import Any

from detectory.core.config import dotted_path, instantiate

__all__ = ["dump_dataclass", "instantiate"]


def dump_dataclass(obj: Any) -> dict[str, Any]:
    """Convert a dataclass instance to the dictionary from which `instantiate` rebuilds it, nested instances included.

    Raises:
        TypeError: If `obj` is not a dataclass instance.
    """
    if not dataclasses.is_dataclass(obj) or isinstance(obj, type):
        raise TypeError(f"dump_dataclass: obj must be a dataclass instance, got {obj!r}")
    described: dict[str, Any] = {"_target_": dotted_path(type(obj))}
    for field in dataclasses.fields(obj):
        value = getattr(obj, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = dump_dataclass(value)
        elif isinstance(value, list | tuple):
            value = [dump_dataclass(x) if dataclasses.is_dataclass(x) else x for x in value]
        elif isinstance(value, type):
            value = dotted_path(value)
        described[field.name] = value
    return described
