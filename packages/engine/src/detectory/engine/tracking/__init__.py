"""Identities of objects in the frames of a video."""

from __future__ import annotations

from .bbox_iou import BBoxIOUTracker
from .hungarian import (
    LARGE_COST_VALUE,
    BaseHungarianTracker,
    IOUWeightedHungarianBBoxIOUTracker,
    VanillaHungarianBBoxIOUTracker,
)
from .pairs import create_prediction_pairs
from .tracker import BaseTracker, BoxTracker

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
