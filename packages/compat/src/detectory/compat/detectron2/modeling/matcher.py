"""The matcher under Detectron2's module path."""

import torch
from torch import Tensor

from detectory.compat.detectron2.layers.wrappers import nonzero_tuple
from detectory.modeling import matcher as native
from detectory.modeling.matcher import check_thresholds_and_labels

__all__ = ["Matcher", "nonzero_tuple"]


class Matcher:
    """Assign a ground-truth element and a label to every prediction, with Detectron2's low-quality matches.

    With `allow_low_quality_matches`, a ground truth without any overlap makes all predictions positive whose best
    quality is the ground truth's maximum, 0. `detectory.modeling.matcher.Matcher` does not. The class is not derived
    from it because TorchScript does not support inheritance.

    Args:
        thresholds: Ascending positive quality thresholds.
        labels: One label per interval: -1 (ignored), 0 (negative) or 1 (positive).
        allow_low_quality_matches: Also label 1 every prediction that has the highest quality for some ground truth.

    Raises:
        ValueError: If the thresholds are not positive and ascending, or the labels are invalid.
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
            match_quality_matrix: `(M, N)` non-negative qualities, such as IoUs.

        Returns:
            Indices of the matched ground truth, `(N,)` int64, and labels, `(N,)` int8.

        Raises:
            ValueError: If `match_quality_matrix` is not two-dimensional.
        """
        if match_quality_matrix.dim() != 2:
            raise ValueError(f"Matcher: match_quality_matrix must have shape (M, N), got {match_quality_matrix.shape}")
        num_predictions = match_quality_matrix.shape[1]
        device = match_quality_matrix.device
        if match_quality_matrix.numel() == 0:
            matches = torch.zeros(num_predictions, dtype=torch.int64, device=device)
            return matches, torch.full((num_predictions,), self.labels[0], dtype=torch.int8, device=device)
        quality, matches = match_quality_matrix.max(dim=0)  # both (N,)
        boundaries = torch.tensor(self.thresholds[1:-1], dtype=quality.dtype, device=device)
        labels = torch.tensor(self.labels, dtype=torch.int8, device=device)
        match_labels = labels[torch.bucketize(quality, boundaries, right=True)]
        if self.allow_low_quality_matches:
            self.set_low_quality_matches_(match_labels, match_quality_matrix)
        return matches, match_labels

    def set_low_quality_matches_(self, match_labels: Tensor, match_quality_matrix: Tensor) -> None:
        """Label 1, in place, the predictions that have the highest quality for some ground truth, ties included."""
        best = match_quality_matrix.amax(dim=1, keepdim=True)
        match_labels[(match_quality_matrix == best).any(dim=0)] = 1


#: The class that converted recipes use, see `detectory.cli.configs.call_recorder`.
Matcher.library_class = native.Matcher  # type: ignore[attr-defined]
