"""Recipes of PointRend for the zoo, with their published weights in `weights.json`."""

from . import instance_segmentation, semantic_segmentation

__all__ = ["instance_segmentation", "semantic_segmentation"]
