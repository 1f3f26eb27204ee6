"""FCOS under Detectron2's module path."""

from detectory.modeling.meta_arch import FCOS, FCOSHead

__all__ = ["FCOS", "FCOSHead"]
