"""Overlap of rotated boxes under Detectron2's module path."""

from detectory.ops import pairwise_iou_rotated

__all__ = ["pairwise_iou_rotated"]
