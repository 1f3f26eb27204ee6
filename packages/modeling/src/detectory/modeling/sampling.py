"""Random sampling of foreground and background labels for the losses."""

import torch
from torch import Tensor


def subsample_labels(
    labels: Tensor, num_samples: int, positive_fraction: float, bg_label: int
) -> tuple[Tensor, Tensor]:
    """Sample foreground and background indices at random, at most `num_samples` in total.

    At most `num_samples * positive_fraction` (rounded down) of the samples are positive; negatives fill the rest.

    Args:
        labels: `(N,)` integer labels: -1 is ignored, `bg_label` is negative, every other value is positive.
        num_samples: Maximum number of samples.
        positive_fraction: Maximum fraction of positive samples, in [0, 1].
        bg_label: The label of the background.

    Returns:
        The indices of the sampled positives and of the sampled negatives, two int64 tensors in random order. Together
        they have fewer than `num_samples` elements if there are not enough negatives.
    """
    positive = ((labels != -1) & (labels != bg_label)).nonzero().squeeze(1)
    negative = (labels == bg_label).nonzero().squeeze(1)
    num_positive = min(len(positive), int(num_samples * positive_fraction))
    num_negative = min(len(negative), num_samples - num_positive)
    return _draw(positive, num_positive), _draw(negative, num_negative)


def check_sampling(owner: str, batch_size_per_image: int, positive_fraction: float) -> None:
    """Check the sampling arguments of the class named `owner`.

    Raises:
        ValueError: If `batch_size_per_image` is not positive, or `positive_fraction` is outside [0, 1].
    """
    if batch_size_per_image < 1:
        raise ValueError(f"{owner}: batch_size_per_image must be positive, got {batch_size_per_image}")
    if not 0 <= positive_fraction <= 1:
        raise ValueError(f"{owner}: positive_fraction must be in [0, 1], got {positive_fraction}")


def _draw(indices: Tensor, count: int) -> Tensor:
    """Return `count` elements of `indices`, drawn without replacement."""
    return indices[torch.randperm(len(indices), device=indices.device)[:count]]
