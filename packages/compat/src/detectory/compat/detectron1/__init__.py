"""Detectron 1: weight conversion and its pixel-inclusive box convention."""

from .legacy_layers import LegacyAnchorGenerator, LegacyBox2BoxTransform, use_legacy_layers
from .weights import convert_weights

__all__ = ["LegacyAnchorGenerator", "LegacyBox2BoxTransform", "convert_weights", "use_legacy_layers"]
