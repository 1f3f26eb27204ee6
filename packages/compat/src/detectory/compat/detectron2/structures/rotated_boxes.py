"""Rotated boxes under Detectron2's module path."""

from detectory.structures import RotatedBoxes, pairwise_iou_rotated
from detectory.structures import pairwise_iou_rotated as pairwise_iou

__all__ = ["RotatedBoxes", "pairwise_iou", "pairwise_iou_rotated"]
