"""DeepLab's loss under Detectron2's module path."""

from detectory.projects.deeplab import DeepLabCE

__all__ = ["DeepLabCE"]
