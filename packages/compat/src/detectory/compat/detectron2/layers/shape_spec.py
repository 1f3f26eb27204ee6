"""The shape of a feature map under Detectron2's module path."""

from detectory.modeling.layers import ShapeSpec

__all__ = ["ShapeSpec"]
