"""IoU tracker under Detectron2's module path."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.tracking.base_tracker import TRACKER_HEADS_REGISTRY, tracker_arguments
from detectory.engine import tracking as native

__all__ = ["BBoxIOUTracker"]


@TRACKER_HEADS_REGISTRY.register()
class BBoxIOUTracker(native.BBoxIOUTracker):
    """`detectory.engine.tracking.BBoxIOUTracker` that can also be built from a config."""

    __init__ = configurable(native.BBoxIOUTracker.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Read the arguments from `TRACKER_HEADS`."""
        return tracker_arguments(cfg)
