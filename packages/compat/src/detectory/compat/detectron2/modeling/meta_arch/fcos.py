"""FCOS under Detectron2's module path."""

from __future__ import annotations

from detectory.modeling.meta_arch import FCOS, FCOSHead

__all__ = ["FCOS", "FCOSHead"]
