"""Start of processes under Detectron2's module path."""

from __future__ import annotations

from detectory.engine import DEFAULT_TIMEOUT, launch

__all__ = ["DEFAULT_TIMEOUT", "launch"]
