"""Box regression under Detectron2's module path."""

from detectory.modeling.box_regression import Box2BoxTransform, Box2BoxTransformLinear, Box2BoxTransformRotated
from detectory.modeling.box_regression import dense_box_regression_loss as _dense_box_regression_loss

__all__ = ["Box2BoxTransform", "Box2BoxTransformLinear", "Box2BoxTransformRotated", "_dense_box_regression_loss"]
