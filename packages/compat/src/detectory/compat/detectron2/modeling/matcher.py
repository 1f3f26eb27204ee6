"""The matcher under Detectron2's module path."""

from __future__ import annotations

from detectory.modeling.matcher import Matcher

__all__ = ["Matcher"]
