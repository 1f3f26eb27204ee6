"""Instances under Detectron2's module path."""

from __future__ import annotations

from detectory.structures import Instances

__all__ = ["Instances"]
