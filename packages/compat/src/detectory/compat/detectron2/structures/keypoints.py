"""Keypoints under Detectron2's module path."""

from detectory.structures import Keypoints, heatmaps_to_keypoints

__all__ = ["Keypoints", "heatmaps_to_keypoints"]
