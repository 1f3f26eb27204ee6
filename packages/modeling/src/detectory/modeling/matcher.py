"""Assignment of ground-truth boxes to predictions."""

import torch
from torch import Tensor


class Matcher:
    """Assign a ground-truth element and a label to every prediction.

    Each prediction is matched with the ground truth of the highest quality, and labelled by that quality. With
    `thresholds=[0.3, 0.7]` and `labels=[0, -1, 1]`, qualities in [0, 0.3) are labelled 0, those in [0.3, 0.7) are
    labelled -1, and those of at least 0.7 are labelled 1.

    Args:
        thresholds: Ascending positive quality thresholds.
        labels: One label per interval, so one more than thresholds: -1 (ignored), 0 (negative) or 1 (positive).
        allow_low_quality_matches: Whether to also label 1 every prediction that has the highest quality, ties included,
            for some ground truth. Its match is not changed: it remains the ground truth that fits the prediction best.

    Raises:
        ValueError: If the thresholds are not positive and ascending, or the labels are invalid.

    Source: Ren et al., "Faster R-CNN", 2015, section 3.1.2, for the low-quality matches.
    """

    def __init__(self, thresholds: list[float], labels: list[int], allow_low_quality_matches: bool = False) -> None:
        if not torch.jit.is_scripting():
            check_thresholds_and_labels(thresholds, labels)
        self.thresholds = [-float("inf")] + list(thresholds) + [float("inf")]  # noqa: RUF005 - TorchScript cannot unpack lists
        self.labels = list(labels)
        self.allow_low_quality_matches = allow_low_quality_matches

    def __call__(self, match_quality_matrix: Tensor) -> tuple[Tensor, Tensor]:
        """Match `N` predictions with `M` ground-truth elements.

        Args:
            match_quality_matrix: `(M, N)` non-negative qualities, for example IoUs.

        Returns:
            The index of the matched ground truth, `(N,)` int64, and the label, `(N,)` int8. If `M` is 0, all indices
            are 0 and all predictions have the label of the lowest interval.

        Raises:
            ValueError: If `match_quality_matrix` is not two-dimensional.
        """
        if match_quality_matrix.dim() != 2:
            raise ValueError(f"Matcher: match_quality_matrix must have shape (M, N), got {match_quality_matrix.shape}")
        num_predictions = match_quality_matrix.shape[1]
        device = match_quality_matrix.device
        if match_quality_matrix.shape[0] == 0:
            matches = torch.zeros(num_predictions, dtype=torch.int64, device=device)
            return matches, torch.full((num_predictions,), self.labels[0], dtype=torch.int8, device=device)
        best_quality, matches = match_quality_matrix.max(dim=0)  # both (N,)
        boundaries = torch.tensor(self.thresholds[1:-1], dtype=best_quality.dtype, device=device)
        labels = torch.tensor(self.labels, dtype=torch.int8, device=device)
        # `right=True` makes the intervals half-open, [low, high): a quality equal to a threshold belongs above it.
        match_labels = labels[torch.bucketize(best_quality, boundaries, right=True)]
        if self.allow_low_quality_matches:
            best_per_gt = match_quality_matrix.amax(dim=1, keepdim=True) if num_predictions else match_quality_matrix
            # Without the second condition, a ground truth that overlaps no prediction would tie with all of them at 0
            # and label every prediction positive.
            is_best = (match_quality_matrix == best_per_gt) & (best_per_gt > 0)  # (M, N)
            match_labels = match_labels.masked_fill(is_best.any(dim=0), 1)
        return matches, match_labels


def check_thresholds_and_labels(thresholds: list[float], labels: list[int]) -> None:
    """Raise a ValueError if the thresholds or labels of a `Matcher` are invalid."""
    if not thresholds or thresholds[0] <= 0 or sorted(thresholds) != list(thresholds):
        raise ValueError(f"Matcher: thresholds must be positive and ascending, got {list(thresholds)}")
    if len(labels) != len(thresholds) + 1 or any(label not in (-1, 0, 1) for label in labels):
        raise ValueError(
            f"Matcher: labels must be {len(thresholds) + 1} values out of -1, 0 and 1 for {len(thresholds)} thresholds,"
            f" got {list(labels)}"
        )
