"""What every tracker keeps from one frame to the next."""

import copy
from abc import ABCMeta, abstractmethod
from typing import Any

import torch

from detectory.structures import Instances


class BaseTracker(metaclass=ABCMeta):
    """Gives objects in the frames of a video identities; a subclass says which detections are the same object.

    Detections of a tracked frame have three more fields, each a list: `ID`, the object's number; `ID_period`, in
    how many frames it was seen; and `lost_frame_count`, for how many frames it has been missing since.
    """

    def __init__(self, **kwargs: Any) -> None:
        if kwargs:
            raise TypeError(f"{type(self).__name__}: got unknown arguments {', '.join(kwargs)}")
        self._prev_instances: Instances | None = None
        self._matched_idx: set[int] = set()
        self._id_count = 0

    @abstractmethod
    def update(self, predictions: Instances) -> Instances:
        """Give the detections of the next frame identities.

        Args:
            predictions: Has `pred_boxes`, and usually `scores`, `pred_classes` and `pred_masks`.

        Returns:
            The detections with the fields of a tracked frame.
        """


class BoxTracker(BaseTracker):
    """A tracker of boxes that remembers objects for a while after they are lost.

    Args:
        video_height: Height of a frame in pixels.
        video_width: Width of a frame in pixels.
        max_num_instances: Objects of a frame at most, detected and remembered together; the detected ones are all kept.
        max_lost_frame_count: For how many frames a lost object is remembered.
        min_box_rel_dim: A lost object is forgotten at once when its box is narrower or lower than this share of the
            frame: it probably leaves the picture.
        min_instance_period: A lost object is forgotten at once when it was not seen in more frames than that.
        track_iou_threshold: Two boxes must overlap by more than this IoU to be of the same object.
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
                f"{type(self).__name__}: the video's size must be positive, got {video_height, video_width}"
            )
        self._video_height = video_height
        self._video_width = video_width
        self._max_num_instances = max_num_instances
        self._max_lost_frame_count = max_lost_frame_count
        self._min_box_rel_dim = min_box_rel_dim
        self._min_instance_period = min_instance_period
        self._track_iou_threshold = track_iou_threshold

    def _initialize_extra_fields(self, instances: Instances) -> Instances:
        """Set the fields of a tracked frame; in the first one every object is new, in others they have no ID yet."""
        count = len(instances.pred_boxes)
        if not instances.has("ID"):
            instances.ID = [None] * count
            instances.ID_period = [1] * count
            instances.lost_frame_count = [0] * count
        self._matched_idx = set()
        return self._assign_new_id(instances) if self._prev_instances is None else instances

    def _assign_new_id(self, instances: Instances) -> Instances:
        """Let every detection that was not matched be a new object."""
        for index in range(len(instances)):
            if index not in self._matched_idx:
                instances.ID[index], instances.ID_period[index], instances.lost_frame_count[index] = (
                    self._id_count,
                    1,
                    0,
                )
                self._id_count += 1
        return instances

    def _same_object(self, instances: Instances, index: int, previous: int) -> None:
        """Let detection `index` be the object `previous` of the frame before."""
        before = self._tracked()
        instances.ID[index] = before.ID[previous]
        instances.ID_period[index] = before.ID_period[previous] + 1
        instances.lost_frame_count[index] = 0
        self._matched_idx.add(index)

    def _with_lost(self, instances: Instances, lost: list[int]) -> Instances:
        """Append those of the lost objects of the frame before that are still worth remembering."""
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
        """Return the frame before."""
        if self._prev_instances is None:
            raise RuntimeError(f"{type(self).__name__}: there is no frame before the first")
        return self._prev_instances

    def _remember(self, instances: Instances) -> Instances:
        """Keep a copy that later changes of the result do not reach."""
        self._prev_instances = copy.deepcopy(instances)
        return instances
