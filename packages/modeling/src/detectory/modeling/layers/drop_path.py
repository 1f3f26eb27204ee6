"""Stochastic depth (drop path)."""

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """Stochastic depth: in training, a residual branch is dropped for random samples of the batch.

    The other samples are scaled by `1 / (1 - drop_prob)`, so that the expectation does not change. In inference it is
    the identity.

    Args:
        drop_prob: Probability of dropping the branch for a sample, in [0, 1).

    Raises:
        ValueError: If `drop_prob` is out of range.

    Source: Huang et al., "Deep Networks with Stochastic Depth", 2016.
    """

    def __init__(self, drop_prob: float = 0.0) -> None:
        super().__init__()
        if not 0 <= drop_prob < 1:
            raise ValueError(f"DropPath: drop_prob must be in [0, 1), got {drop_prob}")
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, …)` to the same shape."""
        if not self.training or self.drop_prob == 0:
            return x
        keep_prob = 1 - self.drop_prob
        is_kept = torch.empty((len(x), *[1] * (x.dim() - 1)), dtype=x.dtype, device=x.device).bernoulli_(keep_prob)
        return x * is_kept / keep_prob

    def extra_repr(self) -> str:
        """Return the arguments that `print` shows."""
        return f"drop_prob={self.drop_prob}"
