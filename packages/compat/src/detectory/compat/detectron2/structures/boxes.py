"""Boxes under Detectron2's module path."""

from detectory.structures import (
    Boxes,
    BoxMode,
    matched_pairwise_iou,
    pairwise_intersection,
    pairwise_ioa,
    pairwise_iou,
    pairwise_point_box_distance,
)

__all__ = [
    "BoxMode",
    "Boxes",
    "matched_boxlist_iou",
    "matched_pairwise_iou",
    "pairwise_intersection",
    "pairwise_ioa",
    "pairwise_iou",
    "pairwise_point_box_distance",
]

matched_boxlist_iou = matched_pairwise_iou  # name used by early Detectron2 versions
