"""Training with simulated int8 arithmetic (quantisation-aware training)."""

from typing import Any

import torch
from torch import Tensor, nn

from detectory.modeling.layers import Conv2d

_TINY = torch.finfo(torch.float32).tiny


def simulate_int8(model: nn.Module) -> nn.Module:
    """Round the weights and inputs of all convolutions to int8 in every call, in place.

    The training then adapts the weights to the rounding errors of a model exported with `dtype="int8"`. Rounding has
    the gradient of the identity. The parameters keep their names and stay float32, so that checkpoints fit the model
    without simulation, and a training resumes exactly: ranges are those of the current tensor, without a state.

    Args:
        model: A model with convolutions, such as a one-stage detector; its type of computation must be float.

    Returns:
        The same model.

    Raises:
        ValueError: If the model has no convolutions.

    Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
        Inference", 2018, section 3; Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons",
        2013, for the gradient.

    Example:
        >>> model = simulate_int8(nn.Sequential(nn.Conv2d(3, 8, 3)))
        >>> sorted(model.state_dict())
        ['0.bias', '0.weight']
    """
    convolutions = [module for module in model.modules() if type(module) in _SIMULATED]
    if not convolutions:
        raise ValueError(f"simulate_int8: {type(model).__name__} has no convolutions")
    for module in convolutions:
        module.__class__ = _SIMULATED[type(module)]
    return model


def round_weight(weight: Tensor) -> Tensor:
    """Return a weight (C, ...) rounded to int8 with one symmetric scale per output channel."""
    values = weight.float()
    scale = (values.detach().abs().flatten(1).amax(dim=1) / 127).clamp(min=_TINY)
    zeros = torch.zeros_like(scale, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(values, scale, zeros, 0, -127, 127).to(weight.dtype)


def round_activation(x: Tensor) -> Tensor:
    """Return a tensor rounded to uint8 with one scale for its range, which contains 0."""
    if x.numel() == 0:
        return x
    values = x.float()
    low, high = (limit.detach() for limit in values.aminmax())
    low, high = low.clamp(max=0), high.clamp(min=0)
    scale = ((high - low) / 255).clamp(min=_TINY)
    zero_point = (-low / scale).round().clamp(0, 255).to(torch.int32)
    return torch.fake_quantize_per_tensor_affine(values, scale, zero_point, 0, 255).to(x.dtype)


class _SimulatedConvolution(nn.Conv2d):
    """A plain convolution with simulated int8 arithmetic."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C_out, H', W')."""
        return self._conv_forward(round_activation(x), round_weight(self.weight), self.bias)


class _SimulatedConv2d(Conv2d):
    """A convolution with norm and activation, with simulated int8 arithmetic.

    Rounding before the norm is equivalent to rounding the folded weight, because each channel has its own scale.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C_out, H', W')."""
        x = self._conv_forward(round_activation(x), round_weight(self.weight), self.bias)
        if self.norm is not None:
            x = self.norm(x)
        return x if self.activation is None else self.activation(x)


_SIMULATED: dict[type, Any] = {nn.Conv2d: _SimulatedConvolution, Conv2d: _SimulatedConv2d}
