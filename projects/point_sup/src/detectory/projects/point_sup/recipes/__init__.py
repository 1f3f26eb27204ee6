"""Recipes of PointSup for the zoo; no weights are published."""

from . import instance_segmentation

__all__ = ["instance_segmentation"]
