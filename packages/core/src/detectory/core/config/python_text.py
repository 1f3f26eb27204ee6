"""A config written as the Python calls that it describes, for people to read."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from detectory.core.config.dotted_path import dotted_path

_WIDTH = 100


def python_text(cfg: Any, prefix: str = "cfg.") -> str:
    """Return ``cfg`` as assignments of calls, one for each leaf outside of calls, interpolations resolved."""
    content = OmegaConf.to_container(cfg, resolve=True) if isinstance(cfg, (DictConfig, ListConfig)) else cfg
    return "\n".join(_assignments(content, prefix.rstrip("."))) + "\n"


def _assignments(value: Any, name: str) -> list[str]:
    if isinstance(value, Mapping) and value and "_target_" not in value:
        lines = []
        for key, item in value.items():
            inner = f"{name}.{key}" if str(key).isidentifier() else f"{name}[{key!r}]"
            lines += _assignments(item, inner)
        return lines
    return [f"{name} = {_expression(value, 0)}"]


def _expression(value: Any, indent: int) -> str:
    if isinstance(value, Mapping) and "_target_" in value:
        target = value["_target_"]
        name = target if isinstance(target, str) else _expression(target, indent)
        items = [f"{key}={_expression(item, indent + 4)}" for key, item in value.items() if not _is_call_key(key)]
        return _enclose(f"{name}(", items, ")", indent)
    if isinstance(value, Mapping):
        items = [f"{key!r}: {_expression(item, indent + 4)}" for key, item in value.items()]
        return _enclose("{", items, "}", indent)
    if isinstance(value, (list, tuple)):
        return _enclose("[", [_expression(item, indent + 4) for item in value], "]", indent)
    if callable(value):
        try:
            return dotted_path(value)
        except TypeError:
            return repr(value)
    return repr(value)


def _is_call_key(key: Any) -> bool:
    return key in ("_target_", "_recursive_")


def _enclose(opening: str, items: list[str], closing: str, indent: int) -> str:
    line = f"{opening}{', '.join(items)}{closing}"
    if len(line) + indent <= _WIDTH and "\n" not in line:
        return line
    pad = " " * (indent + 4)
    return f"{opening}\n" + "".join(f"{pad}{item},\n" for item in items) + " " * indent + closing
