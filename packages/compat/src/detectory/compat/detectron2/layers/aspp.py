"""Atrous spatial pyramid pooling under Detectron2's module path."""

from detectory.modeling.layers import ASPP

__all__ = ["ASPP"]
