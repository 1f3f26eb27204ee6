"""Which labelled boxes a loss looks at."""

from __future__ import annotations

import torch
from torch import Tensor


def subsample_labels(
    labels: Tensor, num_samples: int, positive_fraction: float, bg_label: int
) -> tuple[Tensor, Tensor]:
    """Draw positives and negatives at random, positives up to their share, negatives for the rest.

    Args:
        labels: `(N,)`: -1 is ignored, `bg_label` is negative, anything else is positive.
        num_samples: Most samples of both kinds together.
        positive_fraction: Largest share of positives in `num_samples`.
        bg_label: The negative label.

    Returns:
        Indices of the positives and of the negatives, int64, in random order. Fewer than
        `num_samples` where there are not enough negatives.
    """
    positive = ((labels != -1) & (labels != bg_label)).nonzero().squeeze(1)
    negative = (labels == bg_label).nonzero().squeeze(1)
    num_positive = min(len(positive), int(num_samples * positive_fraction))
    num_negative = min(len(negative), num_samples - num_positive)
    return _draw(positive, num_positive), _draw(negative, num_negative)


def check_sampling(owner: str, batch_size_per_image: int, positive_fraction: float) -> None:
    """Raise ValueError, in the name of `owner`, for a number of samples or a share that cannot be drawn."""
    if batch_size_per_image < 1:
        raise ValueError(f"{owner}: batch_size_per_image must be positive, got {batch_size_per_image}")
    if not 0 <= positive_fraction <= 1:
        raise ValueError(f"{owner}: positive_fraction must be in [0, 1], got {positive_fraction}")


def _draw(indices: Tensor, count: int) -> Tensor:
    return indices[torch.randperm(len(indices), device=indices.device)[:count]]
