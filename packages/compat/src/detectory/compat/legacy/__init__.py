"""Pixel conventions of older systems: Detectron, maskrcnn-benchmark and MMDetection 1.x."""

from .anchors import LegacyAnchorGenerator
from .box_transform import LegacyBox2BoxTransform
from .boxes import PixelBoxes
from .rules import DETECTRON, MASKRCNN_BENCHMARK, MMDET_1_0, MMDET_LEGACY, LegacyRules, use_legacy_rules

__all__ = [
    "DETECTRON",
    "MASKRCNN_BENCHMARK",
    "MMDET_1_0",
    "MMDET_LEGACY",
    "LegacyAnchorGenerator",
    "LegacyBox2BoxTransform",
    "LegacyRules",
    "PixelBoxes",
    "use_legacy_rules",
]
