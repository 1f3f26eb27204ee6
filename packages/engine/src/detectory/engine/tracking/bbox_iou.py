"""BBoxIOUTracker: greedy matching of boxes by IoU."""

from detectory.engine.tracking.pairs import create_prediction_pairs
from detectory.engine.tracking.tracker import BoxTracker
from detectory.structures import Instances, pairwise_iou


class BBoxIOUTracker(BoxTracker):
    """Assigns each box the id of the box in the previous frame with the highest IoU, in order of decreasing IoU.

    See `BoxTracker` for the arguments.

    Example:
        >>> import torch
        >>> from detectory.structures import Boxes
        >>> tracker = BBoxIOUTracker(video_height=100, video_width=100)
        >>> for x in (0.0, 3.0, 60.0):
        ...     frame = Instances((100, 100), pred_boxes=Boxes(torch.tensor([[x, 0.0, x + 20, 20.0]])))
        ...     print(tracker.update(frame).ID)
        [0]
        [0]
        [1]
    """

    def update(self, predictions: Instances) -> Instances:
        """See `BaseTracker.update`. Lost objects that are still remembered come last."""
        instances = self._initialize_extra_fields(predictions)
        if self._prev_instances is None:
            return self._remember(instances)
        overlaps = pairwise_iou(instances.pred_boxes, self._prev_instances.pred_boxes)
        pairs = create_prediction_pairs(instances, self._prev_instances, overlaps, self._track_iou_threshold)
        matched: set[int] = set()
        for pair in sorted(pairs, key=lambda pair: -pair["IoU"]):
            if pair["idx"] not in self._matched_idx and pair["prev_idx"] not in matched:
                self._continue_track(instances, pair["idx"], pair["prev_idx"])
                matched.add(pair["prev_idx"])
        instances = self._assign_new_id(instances)
        lost = [i for i in range(len(self._prev_instances)) if i not in matched]
        return self._remember(self._with_lost(instances, lost))
