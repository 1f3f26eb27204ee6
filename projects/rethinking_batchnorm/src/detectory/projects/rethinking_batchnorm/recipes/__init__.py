"""Recipes of "Rethinking 'Batch' in BatchNorm" for the zoo; no weights are published."""

from . import coco

__all__ = ["coco"]
