"""GIoU loss under fvcore's module path."""

from __future__ import annotations

from detectory.modeling.layers import giou_loss

__all__ = ["giou_loss"]
