"""Batches of images under Detectron2's module path."""

from __future__ import annotations

from detectory.structures import ImageList

__all__ = ["ImageList"]
