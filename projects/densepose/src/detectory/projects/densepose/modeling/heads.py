"""Heads: convolutions on region features.

Sources: Güler, Neverova and Kokkinos, "DensePose", 2018, section 3.2 (a stack of 8 convolutions); Chen et al.,
    "Encoder-Decoder with Atrous Separable Convolution", 2018 (pooling with dilated convolutions); Wang et al.,
    "Non-local Neural Networks", 2018, section 3.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.layers import Conv2d, c2_msra_fill, get_norm

#: Dilations of the three 3x3 branches on features of 28 x 28 cells.
ASPP_DILATIONS = (6, 12, 56)


class DensePoseV1ConvXHead(nn.Module):
    """A stack of 3x3 convolutions with ReLU.

    Args:
        in_channels: Channels of the input.
        conv_dim: Channels of every convolution and of the output.
        conv_kernel: Side length of the kernels.
        num_convs: Number of convolutions.
    """

    def __init__(self, in_channels: int, conv_dim: int = 512, conv_kernel: int = 3, num_convs: int = 8) -> None:
        super().__init__()
        self.n_out_channels = conv_dim
        self.num_convs = num_convs
        for number in range(1, num_convs + 1):
            layer = Conv2d(in_channels, conv_dim, conv_kernel, padding=conv_kernel // 2, activation=F.relu)
            c2_msra_fill(layer)
            self.add_module(f"body_conv_fcn{number}", layer)
            in_channels = conv_dim

    def forward(self, features: Tensor) -> Tensor:
        """Map `(R, in_channels, S, S)` to `(R, conv_dim, S, S)`."""
        for number in range(1, self.num_convs + 1):
            features = getattr(self, f"body_conv_fcn{number}")(features)
        return features


class DensePoseDeepLabHead(nn.Module):
    """Atrous spatial pyramid pooling, then a stack of convolutions with a norm and ReLU.

    Args:
        in_channels: Channels of the input and of the pooling.
        conv_dim: Channels of every convolution and of the output.
        conv_kernel: Side length of the kernels.
        num_convs: Number of convolutions.
        norm: Norm after each convolution, as in `get_norm`.
        use_nonlocal: Whether to add a non-local block after the pooling.
    """

    def __init__(
        self,
        in_channels: int,
        conv_dim: int = 512,
        conv_kernel: int = 3,
        num_convs: int = 8,
        norm: str = "GN",
        use_nonlocal: bool = False,
    ) -> None:
        super().__init__()
        self.n_out_channels = conv_dim
        self.num_convs = num_convs
        self.ASPP = _AtrousPooling(in_channels)
        self.use_nonlocal = use_nonlocal
        if use_nonlocal:
            self.NLBlock = _NonLocalBlock(in_channels)
        for number in range(1, num_convs + 1):
            layer = Conv2d(
                in_channels,
                conv_dim,
                conv_kernel,
                padding=conv_kernel // 2,
                bias=not norm,
                norm=get_norm(norm, conv_dim),
                activation=F.relu,
            )
            c2_msra_fill(layer)
            self.add_module(f"body_conv_fcn{number}", layer)
            in_channels = conv_dim

    def forward(self, features: Tensor) -> Tensor:
        """Map `(R, in_channels, S, S)` to `(R, conv_dim, S, S)`."""
        features = self.ASPP(features)
        if self.use_nonlocal:
            features = self.NLBlock(features)
        for number in range(1, self.num_convs + 1):
            features = getattr(self, f"body_conv_fcn{number}")(features)
        return features


class _AtrousPooling(nn.Module):
    """Parallel dilated convolutions and global pooling, concatenated and projected, with as many channels as the input.

    Unlike `detectory.modeling.layers.ASPP`, the pooled branch has a norm and the projection does not.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()

        def branch(*layers: nn.Module) -> nn.Sequential:
            return nn.Sequential(*layers, nn.GroupNorm(32, channels), nn.ReLU())

        dilated = [nn.Conv2d(channels, channels, 3, padding=d, dilation=d, bias=False) for d in ASPP_DILATIONS]
        self.convs = nn.ModuleList(
            [
                branch(nn.Conv2d(channels, channels, 1, bias=False)),
                *(branch(layer) for layer in dilated),
                branch(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1, bias=False)),
            ]
        )
        self.project = nn.Sequential(nn.Conv2d(5 * channels, channels, 1, bias=False), nn.ReLU())
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                c2_msra_fill(module)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [branch(x) for branch in self.convs]
        outputs[-1] = F.interpolate(outputs[-1], size=x.shape[-2:], mode="bilinear", align_corners=False)
        return self.project(torch.cat(outputs, dim=1))


class _NonLocalBlock(nn.Module):
    """Self-attention over all cells of a region with half of the channels; keys and values have half the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.g = nn.Sequential(nn.Conv2d(channels, inner, 1), nn.MaxPool2d(2))
        self.theta = nn.Conv2d(channels, inner, 1)
        self.phi = nn.Sequential(nn.Conv2d(channels, inner, 1), nn.MaxPool2d(2))
        self.W = nn.Sequential(nn.Conv2d(inner, channels, 1), nn.GroupNorm(32, channels))
        for parameter in self.W[1].parameters():
            nn.init.zeros_(parameter)  # the block starts as the identity

    def forward(self, x: Tensor) -> Tensor:
        queries, keys, values = (layer(x).flatten(2) for layer in (self.theta, self.phi, self.g))
        attention = (queries.transpose(1, 2) @ keys).softmax(dim=2)  # (R, cells, pooled cells)
        attended = (attention @ values.transpose(1, 2)).transpose(1, 2)
        return x + self.W(attended.reshape(*attended.shape[:2], *x.shape[2:]))
