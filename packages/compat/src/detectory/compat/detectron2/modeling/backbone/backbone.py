"""The interface of backbones."""

from __future__ import annotations

from detectory.modeling.backbone import Backbone

__all__ = ["Backbone"]
