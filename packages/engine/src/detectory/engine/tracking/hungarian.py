"""Hungarian trackers: optimal matching of the boxes of two frames."""

from abc import abstractmethod
from typing import Any

import numpy as np

from detectory.engine.tracking.pairs import create_prediction_pairs
from detectory.engine.tracking.tracker import BoxTracker
from detectory.structures import Instances, pairwise_iou

#: Cost of a forbidden pair. It exceeds the total cost that all other pairs of a frame can save.
LARGE_COST_VALUE = 100000


class BaseHungarianTracker(BoxTracker):
    """Solves an assignment problem between the objects of two frames. Subclasses define the cost of a pair.

    Requires SciPy. See `BoxTracker` for the arguments.

    Source: Kuhn, "The Hungarian method for the assignment problem", 1955.
    """

    @abstractmethod
    def build_cost_matrix(self, instances: Instances, prev_instances: Instances) -> np.ndarray:
        """Return the cost of each pair, `(N, M)`. Forbidden pairs cost `LARGE_COST_VALUE` or more."""

    def update(self, predictions: Instances) -> Instances:
        """See `BaseTracker.update`. Lost objects that are still remembered come last.

        Raises:
            ValueError: If the detections have keypoints, which these trackers do not support.
        """
        if predictions.has("pred_keypoints"):
            raise ValueError(f"{type(self).__name__}.update: detections with pred_keypoints cannot be tracked")
        instances = self._initialize_extra_fields(predictions)
        if self._prev_instances is None:
            return self._remember(instances)
        costs = self.build_cost_matrix(instances, self._prev_instances)
        index, previous = _assignment(costs)
        possible = costs[index, previous] < LARGE_COST_VALUE
        index, previous = index[possible], previous[possible]
        instances = self._process_matched_idx(instances, index, previous)
        instances = self._process_unmatched_idx(instances, index)
        return self._remember(self._process_unmatched_prev_idx(instances, previous))

    def _process_matched_idx(
        self, instances: Instances, matched_idx: np.ndarray, matched_prev_idx: np.ndarray
    ) -> Instances:
        """Continue the tracks of the detections `matched_idx`."""
        for index, previous in zip(matched_idx.tolist(), matched_prev_idx.tolist(), strict=True):
            self._continue_track(instances, index, previous)
        return instances

    def _process_unmatched_idx(self, instances: Instances, matched_idx: np.ndarray) -> Instances:
        """Assign new ids to the other detections."""
        self._matched_idx = set(matched_idx.tolist())
        return self._assign_new_id(instances)

    def _process_unmatched_prev_idx(self, instances: Instances, matched_prev_idx: np.ndarray) -> Instances:
        """Append the lost objects of the previous frame that are still remembered."""
        matched = set(matched_prev_idx.tolist())
        return self._with_lost(instances, [i for i in range(len(self._tracked())) if i not in matched])


class VanillaHungarianBBoxIOUTracker(BaseHungarianTracker):
    """Matches as many boxes with sufficient IoU as possible, regardless of the IoU. See `BoxTracker` for arguments."""

    def build_cost_matrix(self, instances: Instances, prev_instances: Instances) -> np.ndarray:
        """See `BaseHungarianTracker.build_cost_matrix`."""
        overlaps = pairwise_iou(instances.pred_boxes, prev_instances.pred_boxes)
        pairs = create_prediction_pairs(instances, prev_instances, overlaps, self._track_iou_threshold)
        costs = np.full((len(instances), len(prev_instances)), float(LARGE_COST_VALUE))
        return self.assign_cost_matrix_values(costs, pairs)

    def assign_cost_matrix_values(self, cost_matrix: np.ndarray, bbox_pairs: list[dict[str, Any]]) -> np.ndarray:
        """Set the same cost for all overlapping pairs, in place.

        Args:
            cost_matrix: `(N, M)`.
            bbox_pairs: See `create_prediction_pairs`.
        """
        for pair in bbox_pairs:
            cost_matrix[pair["idx"]][pair["prev_idx"]] = -1
        return cost_matrix


class IOUWeightedHungarianBBoxIOUTracker(VanillaHungarianBBoxIOUTracker):
    """Matches boxes with the maximum total IoU. See `BoxTracker` for the arguments."""

    def assign_cost_matrix_values(self, cost_matrix: np.ndarray, bbox_pairs: list[dict[str, Any]]) -> np.ndarray:
        """Set the cost of each overlapping pair to its negative IoU, in place."""
        for pair in bbox_pairs:
            cost_matrix[pair["idx"]][pair["prev_idx"]] = -pair["IoU"]
        return cost_matrix


def _assignment(costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the row and column indices of the assignment with minimum cost."""
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise ImportError("the Hungarian trackers require SciPy: pip install 'detectory-engine[tracking]'") from error
    return linear_sum_assignment(costs)
