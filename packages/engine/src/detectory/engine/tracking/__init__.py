"""Multi-object tracking: consistent object ids across the frames of a video."""

from detectory.engine.tracking.bbox_iou import BBoxIOUTracker
from detectory.engine.tracking.hungarian import (
    LARGE_COST_VALUE,
    BaseHungarianTracker,
    IOUWeightedHungarianBBoxIOUTracker,
    VanillaHungarianBBoxIOUTracker,
)
from detectory.engine.tracking.pairs import create_prediction_pairs
from detectory.engine.tracking.tracker import BaseTracker, BoxTracker

__all__ = [
    "LARGE_COST_VALUE",
    "BBoxIOUTracker",
    "BaseHungarianTracker",
    "BaseTracker",
    "BoxTracker",
    "IOUWeightedHungarianBBoxIOUTracker",
    "VanillaHungarianBBoxIOUTracker",
    "create_prediction_pairs",
]
