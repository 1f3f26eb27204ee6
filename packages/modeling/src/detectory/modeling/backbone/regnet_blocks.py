"""Stems and blocks of AnyNet and RegNet.

Source: Radosavovic et al., "Designing Network Design Spaces", 2020; Hu et al., "Squeeze-and-Excitation Networks", 2018.
"""

from collections.abc import Callable

from torch import Tensor, nn

from detectory.modeling.layers import CNNBlockBase, get_norm
from detectory.modeling.layers.convolution import convolve
from detectory.modeling.layers.norms import NormSpec

Activation = Callable[[], nn.Module]


def _convolution(in_channels: int, out_channels: int, size: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Return a convolution without bias; the padding preserves the resolution at stride 1."""
    return nn.Conv2d(in_channels, out_channels, size, stride, (size - 1) // 2, groups=groups, bias=False)


class SimpleStem(CNNBlockBase):
    """A 3×3 convolution with stride 2, norm and activation."""

    def __init__(self, w_in: int, w_out: int, norm: NormSpec, activation_class: Activation) -> None:
        super().__init__(w_in, w_out, 2)
        self.conv = _convolution(w_in, w_out, 3, 2)
        self.bn = get_norm(norm, w_out)
        self.af = activation_class()

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, w_in, H, W)` to `(B, w_out, H / 2, W / 2)`."""
        return self.af(convolve(x, self.conv, self.bn))


class ResStem(CNNBlockBase):
    """A 7×7 convolution with stride 2, norm and activation, followed by max pooling with stride 2."""

    def __init__(self, w_in: int, w_out: int, norm: NormSpec, activation_class: Activation) -> None:
        super().__init__(w_in, w_out, 4)
        self.conv = _convolution(w_in, w_out, 7, 2)
        self.bn = get_norm(norm, w_out)
        self.af = activation_class()
        self.pool = nn.MaxPool2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, w_in, H, W)` to `(B, w_out, H / 4, W / 4)`."""
        return self.pool(self.af(convolve(x, self.conv, self.bn)))


class SE(nn.Module):
    """Squeeze-and-excitation: each channel is scaled by a factor in (0, 1), a function of the means of all channels.

    Args:
        w_in: Channels of input and output.
        w_se: Channels of the bottleneck.
        activation_class: Factory of the activation of the bottleneck.
    """

    def __init__(self, w_in: int, w_se: int, activation_class: Activation) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d((1, 1))
        self.f_ex = nn.Sequential(nn.Conv2d(w_in, w_se, 1), activation_class(), nn.Conv2d(w_se, w_in, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, w_in, H, W)` to the same shape."""
        return x * self.f_ex(self.avg_pool(x))


#: Factory of stems, called with `(w_in, w_out, norm, activation_class)`.
StemClass = Callable[[int, int, NormSpec, Activation], CNNBlockBase]
#: Factory of blocks, called with `(w_in, w_out, stride, norm, activation_class, params)`.
BlockClass = Callable[[int, int, int, NormSpec, Activation, dict], CNNBlockBase]


class VanillaBlock(CNNBlockBase):
    """Two 3×3 convolutions, each with norm and activation, without a shortcut. `_params` are not used."""

    def __init__(
        self, w_in: int, w_out: int, stride: int, norm: NormSpec, activation_class: Activation, _params: dict
    ) -> None:
        super().__init__(w_in, w_out, stride)
        self.a = _convolution(w_in, w_out, 3, stride)
        self.a_bn = get_norm(norm, w_out)
        self.a_af = activation_class()
        self.b = _convolution(w_out, w_out, 3)
        self.b_bn = get_norm(norm, w_out)
        self.b_af = activation_class()

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, w_in, H, W)` to `(B, w_out, H / stride, W / stride)`."""
        x = self.a_af(convolve(x, self.a, self.a_bn))
        return self.b_af(convolve(x, self.b, self.b_bn))


class BasicTransform(nn.Module):
    """Residual branch of a basic block: two 3×3 convolutions. `_params` are not used."""

    def __init__(
        self, w_in: int, w_out: int, stride: int, norm: NormSpec, activation_class: Activation, _params: dict
    ) -> None:
        super().__init__()
        self.a = _convolution(w_in, w_out, 3, stride)
        self.a_bn = get_norm(norm, w_out)
        self.a_af = activation_class()
        self.b = _convolution(w_out, w_out, 3)
        self.b_bn = get_norm(norm, w_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, w_in, H, W)` to `(B, w_out, H / stride, W / stride)`."""
        return convolve(self.a_af(convolve(x, self.a, self.a_bn)), self.b, self.b_bn)


class BottleneckTransform(nn.Module):
    """Residual branch of a bottleneck block: 1×1, grouped 3×3, optional squeeze-and-excitation, and 1×1 convolution.

    The keys of `params` are `bot_mul` (bottleneck width relative to `w_out`), `group_w` (channels per group) and `se_r`
    (channels of the squeeze-and-excitation bottleneck relative to `w_in`; 0 for none).
    """

    def __init__(
        self, w_in: int, w_out: int, stride: int, norm: NormSpec, activation_class: Activation, params: dict
    ) -> None:
        super().__init__()
        width = round(w_out * params["bot_mul"])
        squeeze = round(w_in * params["se_r"])
        self.a = _convolution(w_in, width, 1)
        self.a_bn = get_norm(norm, width)
        self.a_af = activation_class()
        self.b = _convolution(width, width, 3, stride, groups=width // params["group_w"])
        self.b_bn = get_norm(norm, width)
        self.b_af = activation_class()
        self.se = SE(width, squeeze, activation_class) if squeeze else None
        self.c = _convolution(width, w_out, 1)
        self.c_bn = get_norm(norm, w_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, w_in, H, W)` to `(B, w_out, H / stride, W / stride)`."""
        x = self.a_af(convolve(x, self.a, self.a_bn))
        x = self.b_af(convolve(x, self.b, self.b_bn))
        if self.se is not None:
            x = self.se(x)
        return convolve(x, self.c, self.c_bn)


class _ResBlock(CNNBlockBase):
    """A residual branch and a shortcut, which is projected if the shapes differ."""

    transform: Callable[[int, int, int, NormSpec, Activation, dict], nn.Module]

    def __init__(
        self, w_in: int, w_out: int, stride: int, norm: NormSpec, activation_class: Activation, params: dict
    ) -> None:
        super().__init__(w_in, w_out, stride)
        self.proj: nn.Conv2d | None = None
        self.bn: nn.Module | None = None
        if w_in != w_out or stride != 1:
            self.proj = _convolution(w_in, w_out, 1, stride)
            self.bn = get_norm(norm, w_out)
        self.f = self.transform(w_in, w_out, stride, norm, activation_class, params)
        self.af = activation_class()

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, w_in, H, W)` to `(B, w_out, H / stride, W / stride)`."""
        shortcut = x if self.proj is None else convolve(x, self.proj, self.bn)
        return self.af(shortcut + self.f(x))


class ResBasicBlock(_ResBlock):
    """Residual block with a `BasicTransform`."""

    transform = BasicTransform


class ResBottleneckBlock(_ResBlock):
    """Residual block with a `BottleneckTransform`."""

    transform = BottleneckTransform
