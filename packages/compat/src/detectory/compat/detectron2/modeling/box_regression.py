"""Box regression under Detectron2's module path."""

import math

from detectory.modeling.box_regression import Box2BoxTransform, Box2BoxTransformLinear, Box2BoxTransformRotated
from detectory.modeling.box_regression import dense_box_regression_loss as _dense_box_regression_loss

__all__ = [
    "_DEFAULT_SCALE_CLAMP",
    "Box2BoxTransform",
    "Box2BoxTransformLinear",
    "Box2BoxTransformRotated",
    "_dense_box_regression_loss",
]


_DEFAULT_SCALE_CLAMP = math.log(1000.0 / 16)  # largest log factor by which a box may grow
