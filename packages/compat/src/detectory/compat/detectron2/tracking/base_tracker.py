"""Tracker base class and registry."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.utils.registry import Registry
from detectory.engine.tracking import BaseTracker

__all__ = ["TRACKER_HEADS_REGISTRY", "BaseTracker", "Registry", "build_tracker_head", "tracker_arguments"]

TRACKER_HEADS_REGISTRY = Registry("TRACKER_HEADS")


def build_tracker_head(cfg: CfgNode) -> BaseTracker:
    """Build the tracker named by `TRACKER_HEADS.TRACKER_NAME`."""
    return TRACKER_HEADS_REGISTRY.get(cfg.TRACKER_HEADS.TRACKER_NAME)(cfg)


def tracker_arguments(cfg: CfgNode) -> dict[str, Any]:
    """Read tracker arguments from `TRACKER_HEADS`; missing keys keep their defaults."""
    names = (
        "video_height",
        "video_width",
        "max_num_instances",
        "max_lost_frame_count",
        "min_box_rel_dim",
        "min_instance_period",
        "track_iou_threshold",
    )
    settings = cfg.TRACKER_HEADS
    return {name: settings[name.upper()] for name in names if name.upper() in settings}
