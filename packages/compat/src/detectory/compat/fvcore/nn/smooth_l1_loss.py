"""Smooth L1 loss under fvcore's module path."""

from detectory.modeling.layers import smooth_l1_loss

__all__ = ["smooth_l1_loss"]
