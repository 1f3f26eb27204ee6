"""Stochastic depth."""

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """Leave out a whole residual branch for a random share of the samples in training.

    Samples that stay are scaled up, so that the expectation is kept; inference changes nothing.

    Args:
        drop_prob: Probability that a sample's branch is left out, in `[0, 1)`.

    Source: Huang et al., "Deep Networks with Stochastic Depth", 2016.
    """

    def __init__(self, drop_prob: float = 0.0) -> None:
        super().__init__()
        if not 0 <= drop_prob < 1:
            raise ValueError(f"DropPath: drop_prob must be in [0, 1), got {drop_prob}")
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` of shape `(B, …)`; one decision a sample."""
        if not self.training or self.drop_prob == 0:
            return x
        keep = 1 - self.drop_prob
        stays = torch.empty((len(x), *[1] * (x.dim() - 1)), dtype=x.dtype, device=x.device).bernoulli_(keep)
        return x * stays / keep

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return f"drop_prob={self.drop_prob}"
