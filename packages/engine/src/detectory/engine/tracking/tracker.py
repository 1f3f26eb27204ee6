"""Base classes of trackers: object ids, and memory of lost objects."""

import copy
from abc import ABCMeta, abstractmethod
from typing import Any

import torch

from detectory.structures import Instances


class BaseTracker(metaclass=ABCMeta):
    """Assigns ids to the objects in the frames of a video. Subclasses define the matching.

    Detections of a tracked frame have three additional list fields: `ID`, the object id; `ID_period`, the number of
    frames in which the object was detected; and `lost_frame_count`, the number of frames since it was last detected.
    """

    def __init__(self, **kwargs: Any) -> None:
        if kwargs:
            raise TypeError(f"{type(self).__name__}: got unknown arguments {', '.join(kwargs)}")
        self._prev_instances: Instances | None = None
        self._matched_idx: set[int] = set()
        self._id_count = 0

    @abstractmethod
    def update(self, predictions: Instances) -> Instances:
        """Assign ids to the detections of the next frame.

        Args:
            predictions: Must have `pred_boxes`, and usually has `scores`, `pred_classes` and `pred_masks`.

        Returns:
            The detections with the additional fields of a tracked frame.
        """


class BoxTracker(BaseTracker):
    """A box tracker that remembers lost objects for some frames.

    Args:
        video_height: Height of a frame in pixels.
        video_width: Width of a frame in pixels.
        max_num_instances: Maximum number of detected and remembered objects per frame. Detected objects are never
            removed.
        max_lost_frame_count: Number of frames for which a lost object is remembered.
        min_box_rel_dim: A lost object is forgotten immediately if its box is narrower or shorter than this fraction of
            the frame, because it is probably leaving the image.
        min_instance_period: A lost object is forgotten immediately if it was detected in at most this many frames.
        track_iou_threshold: Boxes of the same object must have a larger IoU.
    """

    def __init__(
        self,
        video_height: int,
        video_width: int,
        max_num_instances: int = 200,
        max_lost_frame_count: int = 0,
        min_box_rel_dim: float = 0.02,
        min_instance_period: int = 1,
        track_iou_threshold: float = 0.5,
    ) -> None:
        super().__init__()
        if video_height <= 0 or video_width <= 0:
            raise ValueError(
                f"{type(self).__name__}: video_height and video_width must be positive, got {video_height, video_width}"
            )
        self._video_height = video_height
        self._video_width = video_width
        self._max_num_instances = max_num_instances
        self._max_lost_frame_count = max_lost_frame_count
        self._min_box_rel_dim = min_box_rel_dim
        self._min_instance_period = min_instance_period
        self._track_iou_threshold = track_iou_threshold

    def _initialize_extra_fields(self, instances: Instances) -> Instances:
        """Add the fields of a tracked frame. Objects of the first frame get new ids; in other frames, ids are None."""
        count = len(instances.pred_boxes)
        if not instances.has("ID"):
            instances.ID = [None] * count
            instances.ID_period = [1] * count
            instances.lost_frame_count = [0] * count
        self._matched_idx = set()
        return self._assign_new_id(instances) if self._prev_instances is None else instances

    def _assign_new_id(self, instances: Instances) -> Instances:
        """Assign new ids to all unmatched detections."""
        for index in range(len(instances)):
            if index not in self._matched_idx:
                instances.ID[index] = self._id_count
                instances.ID_period[index] = 1
                instances.lost_frame_count[index] = 0
                self._id_count += 1
        return instances

    def _continue_track(self, instances: Instances, index: int, previous: int) -> None:
        """Identify detection `index` with object `previous` of the previous frame."""
        before = self._tracked()
        instances.ID[index] = before.ID[previous]
        instances.ID_period[index] = before.ID_period[previous] + 1
        instances.lost_frame_count[index] = 0
        self._matched_idx.add(index)

    def _with_lost(self, instances: Instances, lost: list[int]) -> Instances:
        """Append the lost objects of the previous frame that are still remembered."""
        before = self._tracked()
        remembered = [i for i in lost if self._is_remembered(before, i)]
        remembered = remembered[: max(self._max_num_instances - len(instances), 0)]
        if not remembered:
            return instances
        missing = before[torch.tensor(remembered)]
        missing.lost_frame_count = [count + 1 for count in missing.lost_frame_count]
        return Instances.cat([instances, missing])

    def _is_remembered(self, before: Instances, index: int) -> bool:
        x1, y1, x2, y2 = before.pred_boxes.tensor[index].tolist()
        return (
            (x2 - x1) / self._video_width >= self._min_box_rel_dim
            and (y2 - y1) / self._video_height >= self._min_box_rel_dim
            and before.lost_frame_count[index] < self._max_lost_frame_count
            and before.ID_period[index] > self._min_instance_period
        )

    def _tracked(self) -> Instances:
        """Return the previous frame."""
        if self._prev_instances is None:
            raise RuntimeError(f"{type(self).__name__}: there is no previous frame")
        return self._prev_instances

    def _remember(self, instances: Instances) -> Instances:
        """Store a copy of the frame, so that later changes to the result do not affect the tracker."""
        self._prev_instances = copy.deepcopy(instances)
        return instances
