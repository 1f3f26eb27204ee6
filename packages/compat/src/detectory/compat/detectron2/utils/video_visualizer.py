"""Drawing on videos, under Detectron2's module path."""

from __future__ import annotations

from detectory.visualization import VideoVisualizer

__all__ = ["VideoVisualizer"]
