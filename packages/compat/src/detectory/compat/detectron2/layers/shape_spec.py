"""`ShapeSpec` under Detectron2's module path."""

from detectory.modeling.layers import ShapeSpec

__all__ = ["ShapeSpec"]
