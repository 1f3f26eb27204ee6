"""SSD's colour augmentation under Detectron2's module path."""

from detectory.projects.point_rend import ColorAugSSDTransform

__all__ = ["ColorAugSSDTransform"]
