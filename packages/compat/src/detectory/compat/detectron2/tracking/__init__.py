"""Trackers built from arguments or a config."""

from detectory.compat.detectron2.tracking.base_tracker import (
    TRACKER_HEADS_REGISTRY,
    BaseTracker,
    build_tracker_head,
)
from detectory.compat.detectron2.tracking.bbox_iou_tracker import BBoxIOUTracker
from detectory.compat.detectron2.tracking.hungarian_tracker import BaseHungarianTracker
from detectory.compat.detectron2.tracking.iou_weighted_hungarian_bbox_iou_tracker import (
    IOUWeightedHungarianBBoxIOUTracker,
)
from detectory.compat.detectron2.tracking.utils import create_prediction_pairs
from detectory.compat.detectron2.tracking.vanilla_hungarian_bbox_iou_tracker import VanillaHungarianBBoxIOUTracker

__all__ = [
    "TRACKER_HEADS_REGISTRY",
    "BBoxIOUTracker",
    "BaseHungarianTracker",
    "BaseTracker",
    "IOUWeightedHungarianBBoxIOUTracker",
    "VanillaHungarianBBoxIOUTracker",
    "build_tracker_head",
    "create_prediction_pairs",
]
