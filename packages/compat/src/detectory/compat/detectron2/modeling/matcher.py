"""The matcher under Detectron2's module path."""

from detectory.modeling.matcher import Matcher

__all__ = ["Matcher"]
