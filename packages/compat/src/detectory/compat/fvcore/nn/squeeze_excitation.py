"""Squeeze-and-excitation layers under fvcore's module path."""

from torch import Tensor, nn

__all__ = ["ChannelSpatialSqueezeExcitation", "SpatialSqueezeExcitation", "SqueezeExcitation"]

_CONVOLUTION = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class SqueezeExcitation(nn.Module):
    """Channel gates computed from the channels' means.

    Args:
        num_channels: Channels of the input `(B, C, …)`.
        num_channels_reduced: Hidden channels; by default `num_channels / reduction_ratio`.
        reduction_ratio: Ratio of channels to hidden channels.
        is_3d: Whether the input is `(B, C, D, H, W)` instead of `(B, C, H, W)`.
        activation: Activation of the hidden channels; ReLU by default.

    Source: Hu et al., "Squeeze-and-Excitation Networks", 2018.
    """

    def __init__(
        self,
        num_channels: int,
        num_channels_reduced: int | None = None,
        reduction_ratio: float = 2.0,
        is_3d: bool = False,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        hidden = int(num_channels // reduction_ratio) if num_channels_reduced is None else num_channels_reduced
        convolution = _CONVOLUTION[3 if is_3d else 2]
        self.is_3d = is_3d
        self.conv1 = convolution(num_channels, hidden, 1, bias=True)
        self.conv2 = convolution(hidden, num_channels, 1, bias=True)
        self.activation = nn.ReLU() if activation is None else activation
        self.sigmoid = nn.Sigmoid()

    def forward(self, input_tensor: Tensor) -> Tensor:
        """Scale the channels of the input."""
        means = input_tensor.mean(dim=[2, 3, 4] if self.is_3d else [2, 3], keepdim=True)
        return input_tensor * self.sigmoid(self.conv2(self.activation(self.conv1(means))))


class SpatialSqueezeExcitation(nn.Module):
    """Pixel gates computed by a 1×1 convolution.

    Args:
        num_channels: Channels of the input.
        is_3d: Whether the input is `(B, C, D, H, W)` instead of `(B, C, H, W)`.

    Source: Roy et al., "Concurrent Spatial and Channel Squeeze & Excitation", 2018.
    """

    def __init__(self, num_channels: int, is_3d: bool = False) -> None:
        super().__init__()
        self.conv = _CONVOLUTION[3 if is_3d else 2](num_channels, 1, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, input_tensor: Tensor) -> Tensor:
        """Scale the pixels of the input."""
        return input_tensor * self.sigmoid(self.conv(input_tensor))


class ChannelSpatialSqueezeExcitation(nn.Module):
    """Maximum of channel and spatial squeeze and excitation; see `SqueezeExcitation` for the arguments."""

    def __init__(
        self,
        num_channels: int,
        num_channels_reduced: int | None = None,
        reduction_ratio: float = 16.0,
        is_3d: bool = False,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.channel = SqueezeExcitation(num_channels, num_channels_reduced, reduction_ratio, is_3d, activation)
        self.spatial = SpatialSqueezeExcitation(num_channels, is_3d)

    def forward(self, input_tensor: Tensor) -> Tensor:
        """Return the element-wise maximum of both results."""
        return self.channel(input_tensor).max(self.spatial(input_tensor))
