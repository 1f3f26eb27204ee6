"""IoU tracker under Detectron2's module path."""

from typing import Any

from torch import Tensor

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.tracking.base_tracker import TRACKER_HEADS_REGISTRY, tracker_arguments
from detectory.compat.detectron2.tracking.utils import create_prediction_pairs
from detectory.engine import tracking as native
from detectory.structures import Instances, pairwise_iou

__all__ = ["BBoxIOUTracker"]


@TRACKER_HEADS_REGISTRY.register()
class BBoxIOUTracker(native.BBoxIOUTracker):
    """`detectory.engine.tracking.BBoxIOUTracker` in Detectron2's steps, which can also be built from a config."""

    __init__ = configurable(native.BBoxIOUTracker.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Read the arguments from `TRACKER_HEADS`."""
        return tracker_arguments(cfg)

    def update(self, instances: Instances) -> Instances:
        """Assign ids to the detections of the next frame; see `detectory.engine.tracking.BBoxIOUTracker`."""
        instances = self._initialize_extra_fields(instances)
        previous = self._prev_instances
        if previous is None:
            return self._remember(instances)
        overlaps = pairwise_iou(instances.pred_boxes, previous.pred_boxes)
        pairs = self._create_prediction_pairs(instances, overlaps)
        self._reset_fields()
        for pair in sorted(pairs, key=lambda pair: -pair["IoU"]):
            is_free = pair["idx"] not in self._matched_idx and pair["prev_id"] not in self._matched_ID
            if is_free and pair["IoU"] > self._track_iou_threshold:
                self._continue_track(instances, pair["idx"], pair["prev_idx"])
                self._matched_ID.add(pair["prev_id"])
                self._untracked_prev_idx.discard(pair["prev_idx"])
        instances = self._assign_new_id(instances)
        return self._remember(self._merge_untracked_instances(instances))

    def _create_prediction_pairs(self, instances: Instances, iou_all: Tensor) -> list[dict[str, Any]]:
        """Return the overlapping pairs of detections and objects of the previous frame."""
        return create_prediction_pairs(instances, self._tracked(), iou_all, self._track_iou_threshold)

    def _reset_fields(self) -> None:
        """Mark all detections and all objects of the previous frame as unmatched."""
        self._matched_idx = set()
        self._matched_ID: set[int] = set()
        self._untracked_prev_idx = set(range(len(self._tracked())))

    def _merge_untracked_instances(self, instances: Instances) -> Instances:
        """Append the lost objects of the previous frame that are still remembered."""
        return self._with_lost(instances, sorted(self._untracked_prev_idx))
