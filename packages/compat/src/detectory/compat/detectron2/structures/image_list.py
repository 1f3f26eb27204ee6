"""Image batches under Detectron2's module path."""

from detectory.structures import ImageList

__all__ = ["ImageList"]
