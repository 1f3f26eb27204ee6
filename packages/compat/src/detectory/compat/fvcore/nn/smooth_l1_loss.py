"""Smooth L1 under fvcore's module path."""

from __future__ import annotations

from detectory.modeling.layers import smooth_l1_loss

__all__ = ["smooth_l1_loss"]
