"""Tracker base class and registry."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.utils.registry import Registry
from detectory.engine import tracking as native

__all__ = ["TRACKER_HEADS_REGISTRY", "BaseTracker", "Registry", "build_tracker_head", "tracker_arguments"]

TRACKER_HEADS_REGISTRY = Registry("TRACKER_HEADS")


class BaseTracker(native.BaseTracker):
    """`detectory.engine.tracking.BaseTracker` with the fields that Detectron2's subclasses use."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._matched_ID: set[int] = set()
        self._untracked_prev_idx: set[int] = set()

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Return the constructor arguments that a config sets; subclasses define them."""
        raise NotImplementedError(f"{cls.__name__}.from_config: the class cannot be built from a config")


# The built-in trackers derive from the native base class.
BaseTracker.register(native.BoxTracker)  # type: ignore[type-abstract]


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
