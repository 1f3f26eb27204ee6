"""Trackers that pair all boxes of two frames at once, at the least cost."""

from abc import abstractmethod
from typing import Any

import numpy as np

from detectory.engine.tracking.pairs import create_prediction_pairs
from detectory.engine.tracking.tracker import BoxTracker
from detectory.structures import Instances, pairwise_iou

#: Cost of a pair that must not be. Larger than what all other pairs of a frame can save together.
LARGE_COST_VALUE = 100000


class BaseHungarianTracker(BoxTracker):
    """Solves an assignment problem between the objects of two frames; a subclass says what a pair costs.

    Needs SciPy. Args are those of `BoxTracker`.

    Source: Kuhn, "The Hungarian method for the assignment problem", 1955.
    """

    @abstractmethod
    def build_cost_matrix(self, instances: Instances, prev_instances: Instances) -> np.ndarray:
        """Return what each pair costs, `(N, M)`; `LARGE_COST_VALUE` or more for a pair that must not be."""

    def update(self, predictions: Instances) -> Instances:
        """See `BaseTracker.update`; lost objects that are still remembered come last.

        Raises:
            ValueError: the detections have keypoints, which these trackers do not remember.
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
        """Let each of the detections `matched_idx` be its object of the frame before."""
        for index, previous in zip(matched_idx.tolist(), matched_prev_idx.tolist(), strict=True):
            self._same_object(instances, index, previous)
        return instances

    def _process_unmatched_idx(self, instances: Instances, matched_idx: np.ndarray) -> Instances:
        """Let all other detections be new objects."""
        self._matched_idx = set(matched_idx.tolist())
        return self._assign_new_id(instances)

    def _process_unmatched_prev_idx(self, instances: Instances, matched_prev_idx: np.ndarray) -> Instances:
        """Append the objects of the frame before that were lost and are still remembered."""
        matched = set(matched_prev_idx.tolist())
        return self._with_lost(instances, [i for i in range(len(self._tracked())) if i not in matched])


class VanillaHungarianBBoxIOUTracker(BaseHungarianTracker):
    """Pairs as many boxes as overlap enough; by how much does not matter. Args are those of `BoxTracker`."""

    def build_cost_matrix(self, instances: Instances, prev_instances: Instances) -> np.ndarray:
        """See `BaseHungarianTracker.build_cost_matrix`."""
        overlaps = pairwise_iou(instances.pred_boxes, prev_instances.pred_boxes)
        pairs = create_prediction_pairs(instances, prev_instances, overlaps, self._track_iou_threshold)
        costs = np.full((len(instances), len(prev_instances)), float(LARGE_COST_VALUE))
        return self.assign_cost_matrix_values(costs, pairs)

    def assign_cost_matrix_values(self, cost_matrix: np.ndarray, bbox_pairs: list[dict[str, Any]]) -> np.ndarray:
        """Set the costs of pairs that overlap, in place: all the same.

        Args:
            cost_matrix: `(N, M)`.
            bbox_pairs: See `create_prediction_pairs`.
        """
        for pair in bbox_pairs:
            cost_matrix[pair["idx"]][pair["prev_idx"]] = -1
        return cost_matrix


class IOUWeightedHungarianBBoxIOUTracker(VanillaHungarianBBoxIOUTracker):
    """Pairs boxes so that their overlaps add up to as much as possible. Args are those of `BoxTracker`."""

    def assign_cost_matrix_values(self, cost_matrix: np.ndarray, bbox_pairs: list[dict[str, Any]]) -> np.ndarray:
        """Set the costs of pairs that overlap, in place: the more they overlap, the cheaper."""
        for pair in bbox_pairs:
            cost_matrix[pair["idx"]][pair["prev_idx"]] = -pair["IoU"]
        return cost_matrix


def _assignment(costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and columns of the cheapest complete assignment."""
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise ImportError("the Hungarian trackers need SciPy: pip install 'detectory-engine[tracking]'") from error
    return linear_sum_assignment(costs)
