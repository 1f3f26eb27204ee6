"""Blocks under Detectron2's module path."""

from __future__ import annotations

from detectory.modeling.layers import CNNBlockBase, DepthwiseSeparableConv2d

__all__ = ["CNNBlockBase", "DepthwiseSeparableConv2d"]
