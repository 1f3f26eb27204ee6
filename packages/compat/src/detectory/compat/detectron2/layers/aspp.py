"""Atrous pyramid pooling under Detectron2's module path."""

from __future__ import annotations

from detectory.modeling.layers import ASPP

__all__ = ["ASPP"]
