"""Rendering of a config as Python calls for reading."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from detectory.core.config.dotted_path import dotted_path

_WIDTH = 88


def python_text(cfg: Any, prefix: str = "cfg.") -> str:
    """Return `cfg` as assignments, one per leaf or call, with interpolations resolved."""
    content = OmegaConf.to_container(cfg, resolve=True) if isinstance(cfg, (DictConfig, ListConfig)) else cfg
    return "\n".join(_assignments(content, prefix.rstrip("."))) + "\n"


def _assignments(value: Any, name: str) -> list[str]:
    if isinstance(value, Mapping) and value and "_target_" not in value:
        lines = []
        for key, item in value.items():
            inner = f"{name}.{key}" if str(key).isidentifier() else f"{name}[{_literal(key)}]"
            lines += _assignments(item, inner)
        return lines
    return [f"{name} = {_expression(value, 0, len(name) + 3)}"]


def _expression(value: Any, indent: int, beside: int) -> str:
    """Render a value, on one line if it fits next to `indent` spaces and `beside` other characters."""
    if isinstance(value, Mapping) and "_target_" in value:
        target = value["_target_"]
        name = target if isinstance(target, str) else _expression(target, indent, beside)
        items = [(f"{key}=", item) for key, item in value.items() if not _is_call_key(key)]
        return _enclose(f"{name}(", items, ")", indent, beside)
    if isinstance(value, Mapping):
        return _enclose("{", [(f"{_literal(key)}: ", item) for key, item in value.items()], "}", indent, beside)
    if isinstance(value, (list, tuple)):
        return _enclose("[", [("", item) for item in value], "]", indent, beside)
    return _literal(value)


def _literal(value: Any) -> str:
    if isinstance(value, str) and '"' not in value:
        return f'"{repr(value)[1:-1]}"'
    try:
        return dotted_path(value) if callable(value) else repr(value)
    except TypeError:
        return repr(value)


def _is_call_key(key: Any) -> bool:
    return key in ("_target_", "_recursive_")


def _enclose(opening: str, items: list[tuple[str, Any]], closing: str, indent: int, beside: int) -> str:
    """Render labelled items on one line if it is short enough, else on separate lines."""
    line = f"{opening}{', '.join(label + _expression(item, 0, -(10**9)) for label, item in items)}{closing}"
    if len(line) + indent + beside <= _WIDTH:
        return line
    pad = " " * (indent + 4)
    lines = [f"{pad}{label}{_expression(item, indent + 4, len(label) + 1)},\n" for label, item in items]
    return f"{opening}\n" + "".join(lines) + " " * indent + closing
