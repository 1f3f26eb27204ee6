"""Box regression under Detectron2's module path."""

from detectory.modeling.box_regression import Box2BoxTransform, Box2BoxTransformLinear, Box2BoxTransformRotated

__all__ = ["Box2BoxTransform", "Box2BoxTransformLinear", "Box2BoxTransformRotated"]
