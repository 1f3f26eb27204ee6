"""`LazyCall` and `LazyConfig` under Detectron2's module path."""

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import Any

from detectory.core import config as native
from detectory.core.config import LazyConfig

__all__ = ["LazyCall", "LazyConfig"]


class LazyCall(native.LazyCall):
    """A `LazyCall` that accepts any argument, as Detectron2's does; `instantiate` rejects invalid ones."""

    def _as_value(self, target: Callable[..., Any]) -> Any:
        # Wrapped in an object until the config is saved; omegaconf would treat a dataclass as a schema.
        return super()._as_value(target) if is_dataclass(target) else target

    def _check(self, target: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
        del target, arguments
