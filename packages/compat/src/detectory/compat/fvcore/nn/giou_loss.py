"""GIoU loss under fvcore's module path."""

from detectory.modeling.layers import giou_loss

__all__ = ["giou_loss"]
