"""Box losses under Detectron2's module path."""

from __future__ import annotations

from detectory.modeling.layers import ciou_loss, diou_loss

__all__ = ["ciou_loss", "diou_loss"]
