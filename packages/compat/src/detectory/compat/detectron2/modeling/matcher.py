"""The matcher under Detectron2's module path."""

from detectory.compat.detectron2.layers.wrappers import nonzero_tuple
from detectory.modeling.matcher import Matcher

__all__ = ["Matcher", "nonzero_tuple"]
