"""Instances under Detectron2's module path."""

from detectory.structures import Instances

__all__ = ["Instances"]
