"""Blocks under Detectron2's module path."""

from detectory.modeling.layers import CNNBlockBase, DepthwiseSeparableConv2d

__all__ = ["CNNBlockBase", "DepthwiseSeparableConv2d"]
