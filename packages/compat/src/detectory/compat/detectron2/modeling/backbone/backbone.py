"""The interface of backbones."""

from detectory.modeling.backbone import Backbone

__all__ = ["Backbone"]
