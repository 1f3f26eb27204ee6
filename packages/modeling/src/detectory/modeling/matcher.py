"""Which ground-truth box a prediction answers for."""

from __future__ import annotations

import torch
from torch import Tensor


class Matcher:
    """Give every prediction its best ground truth and a label by how good the match is.

    With `thresholds=[0.3, 0.7]` and `labels=[0, -1, 1]` a best quality below 0.3 is labelled 0, one from
    0.3 to below 0.7 is labelled -1, and one from 0.7 on is labelled 1.

    Args:
        thresholds: Ascending limits of quality.
        labels: One label more than there are thresholds, each -1 (ignore), 0 (negative) or 1 (positive).
        allow_low_quality_matches: Also label 1 every prediction that is the best, or ties for it, of some
            ground truth; its match stays its own best ground truth.

    Raises:
        ValueError: for thresholds that do not ascend from above zero, or labels that do not fit.
    """

    def __init__(self, thresholds: list[float], labels: list[int], allow_low_quality_matches: bool = False) -> None:
        if not torch.jit.is_scripting():
            _check(thresholds, labels)
        self.thresholds = [-float("inf")] + list(thresholds) + [float("inf")]  # noqa: RUF005 - TorchScript unpacks no lists
        self.labels = list(labels)
        self.allow_low_quality_matches = allow_low_quality_matches

    def __call__(self, match_quality_matrix: Tensor) -> tuple[Tensor, Tensor]:
        """Match `N` predictions with `M` ground truths.

        Args:
            match_quality_matrix: `(M, N)`, not negative, for example IoU.

        Returns:
            Index of the best ground truth `(N,)` int64 and label `(N,)` int8. Without ground truth
            the index is 0 and the label is that of the lowest quality.
        """
        if match_quality_matrix.dim() != 2:
            raise ValueError(f"Matcher: quality must have shape (M, N), got {match_quality_matrix.shape}")
        count = match_quality_matrix.shape[1]
        device = match_quality_matrix.device
        if match_quality_matrix.shape[0] == 0:
            matches = torch.zeros(count, dtype=torch.int64, device=device)
            return matches, torch.full((count,), self.labels[0], dtype=torch.int8, device=device)
        best, matches = match_quality_matrix.max(dim=0)
        limits = torch.tensor(self.thresholds[1:-1], dtype=best.dtype, device=device)
        label = torch.tensor(self.labels, dtype=torch.int8, device=device)
        match_labels = label[torch.bucketize(best, limits, right=True)]
        if self.allow_low_quality_matches:
            best_of_truth = match_quality_matrix.amax(dim=1, keepdim=True) if count else match_quality_matrix
            # A ground truth that meets no prediction at all would tie with every prediction at zero.
            tied = (match_quality_matrix == best_of_truth) & (best_of_truth > 0)
            match_labels = match_labels.masked_fill(tied.any(dim=0), 1)
        return matches, match_labels


def _check(thresholds: list[float], labels: list[int]) -> None:
    if not thresholds or thresholds[0] <= 0 or sorted(thresholds) != list(thresholds):
        raise ValueError(f"Matcher: thresholds must be positive and ascend, got {list(thresholds)}")
    if len(labels) != len(thresholds) + 1 or any(label not in (-1, 0, 1) for label in labels):
        raise ValueError(
            f"Matcher: labels must be {len(thresholds) + 1} of -1, 0 and 1 for {len(thresholds)} thresholds,"
            f" got {list(labels)}"
        )
