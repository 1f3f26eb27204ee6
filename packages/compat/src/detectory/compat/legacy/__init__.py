"""Pixel conventions of older systems: Detectron, maskrcnn-benchmark and MMDetection 1.x."""

from .anchors import LegacyAnchorGenerator
from .box_transform import LegacyBox2BoxTransform
from .boxes import PixelBoxes
from .rules import (
    DETECTRON,
    MASKRCNN_BENCHMARK,
    MMDET_1_0,
    MMDET_LEGACY,
    RULES,
    LegacyRules,
    legacy_model,
    set_legacy_rules,
    use_legacy_rules,
)

__all__ = [
    "DETECTRON",
    "MASKRCNN_BENCHMARK",
    "MMDET_1_0",
    "MMDET_LEGACY",
    "RULES",
    "LegacyAnchorGenerator",
    "LegacyBox2BoxTransform",
    "LegacyRules",
    "PixelBoxes",
    "legacy_model",
    "set_legacy_rules",
    "use_legacy_rules",
]
