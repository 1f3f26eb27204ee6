"""History of a scalar under fvcore's module path."""

from __future__ import annotations

from detectory.core.events import HistoryBuffer

__all__ = ["HistoryBuffer"]
