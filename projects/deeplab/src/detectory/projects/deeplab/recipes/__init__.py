"""Recipes of DeepLab and Panoptic-DeepLab for the zoo, with their published weights in `weights.json`."""

from . import panoptic_segmentation, semantic_segmentation

__all__ = ["panoptic_segmentation", "semantic_segmentation"]
