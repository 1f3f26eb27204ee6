"""Box losses under Detectron2's module path."""

from detectory.modeling.layers import ciou_loss, diou_loss

__all__ = ["ciou_loss", "diou_loss"]
