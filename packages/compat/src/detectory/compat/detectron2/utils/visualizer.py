"""Drawing under Detectron2's module path."""

from detectory.visualization import ColorMode, GenericMask, VisImage, Visualizer

__all__ = ["ColorMode", "GenericMask", "VisImage", "Visualizer"]
