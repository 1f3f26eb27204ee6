"""``LazyCall`` and ``LazyConfig`` under Detectron2's module path."""

from detectory.core.config import LazyCall, LazyConfig

__all__ = ["LazyCall", "LazyConfig"]
