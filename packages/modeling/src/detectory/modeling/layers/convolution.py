"""A convolution together with the norm and the activation behind it."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from .frozen_batch_norm import FrozenBatchNorm2d


class Conv2d(nn.Conv2d):
    """`nn.Conv2d` that also owns its norm (as ``.norm``) and applies an activation.

    A frozen batch norm is folded into the weights on the way, which gives the same numbers and
    gradients without a pass over the activations.

    Args:
        args: Positional arguments of `nn.Conv2d`.
        norm: Layer applied to the output, or ``None``.
        activation: Function applied last, or ``None``.
        kwargs: Keyword arguments of `nn.Conv2d`.
    """

    def __init__(
        self,
        *args: Any,
        norm: nn.Module | None = None,
        activation: Callable[[Tensor], Tensor] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.norm = norm
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C_in, H, W)`` to ``(B, C_out, H', W')``; ``B`` may be zero."""
        if type(self.norm) is FrozenBatchNorm2d:
            x = self._conv_forward(x, *self.norm.fold(self.weight, self.bias))
        else:
            x = super().forward(x)
            if self.norm is not None:
                x = self.norm(x)
        return x if self.activation is None else self.activation(x)
