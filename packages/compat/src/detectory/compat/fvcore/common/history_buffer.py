"""History of a scalar under fvcore's module path."""

from detectory.core.events import HistoryBuffer

__all__ = ["HistoryBuffer"]
