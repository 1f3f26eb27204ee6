"""MobileNetV3."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.layers import Conv2d, c2_msra_fill, get_norm
from detectory.modeling.layers.norms import NormSpec

from .backbone import Backbone

#: Ratio of the channels of the last layer and of the last block.
_LAST_EXPANSION = 6


@dataclass(frozen=True)
class MobileBlock:
    """One row of the tables in the paper.

    Args:
        kernel: Size of the depthwise convolution.
        expanded: Channels of the depthwise convolution.
        channels: Channels of the output.
        squeeze: Whether to use squeeze and excitation.
        hard_swish: Whether the activation is a hard swish instead of a ReLU.
        stride: Stride of the depthwise convolution.
    """

    kernel: int
    expanded: int
    channels: int
    squeeze: bool
    hard_swish: bool
    stride: int


def mobilenet_v3_large_blocks(reduced_tail: bool = False) -> list[tuple[int, int, int, bool, bool, int]]:
    """Return the 15 blocks of MobileNetV3-Large, as the fields of `MobileBlock`.

    Args:
        reduced_tail: Whether to halve the channels of the last three blocks, as for detection.

    Source: Howard et al., "Searching for MobileNetV3", 2019, table 1 and section 6.3.
    """
    divisor = 2 if reduced_tail else 1
    tail, wide = 160 // divisor, 960 // divisor
    blocks = [
        MobileBlock(3, 16, 16, False, False, 1),
        MobileBlock(3, 64, 24, False, False, 2),
        MobileBlock(3, 72, 24, False, False, 1),
        MobileBlock(5, 72, 40, True, False, 2),
        MobileBlock(5, 120, 40, True, False, 1),
        MobileBlock(5, 120, 40, True, False, 1),
        MobileBlock(3, 240, 80, False, True, 2),
        MobileBlock(3, 200, 80, False, True, 1),
        MobileBlock(3, 184, 80, False, True, 1),
        MobileBlock(3, 184, 80, False, True, 1),
        MobileBlock(3, 480, 112, True, True, 1),
        MobileBlock(3, 672, 112, True, True, 1),
        MobileBlock(5, 672, tail, True, True, 2),
        MobileBlock(5, wide, tail, True, True, 1),
        MobileBlock(5, wide, tail, True, True, 1),
    ]
    return [astuple(block) for block in blocks]


class SqueezeExcitation(nn.Module):
    """Factors per channel between 0 and 1, computed from the mean of each channel.

    Args:
        channels: Channels of the input.
        hidden: Channels in between.

    Source: Hu et al., "Squeeze-and-Excitation Networks", 2018, section 3; with a hard sigmoid as in MobileNetV3.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(channels, hidden, 1), nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scale the channels of `(B, channels, H, W)`."""
        squeezed = F.relu(self.fc1(x.mean(dim=(2, 3), keepdim=True)))
        return x * F.hardsigmoid(self.fc2(squeezed))


class InvertedResidual(nn.Module):
    """A 1×1 expansion, a depthwise convolution, squeeze and excitation, and a linear 1×1 projection.

    Args:
        in_channels: Channels of the input.
        block: The block. The expansion is left out if it has the channels of the input.
        norm: Norm after every convolution, as in `get_norm`.

    Source: Howard et al., "Searching for MobileNetV3", 2019, Fig. 4.
    """

    def __init__(self, in_channels: int, block: MobileBlock, norm: NormSpec) -> None:
        super().__init__()
        wide = block.expanded
        self.expand: nn.Module = nn.Identity()
        if wide != in_channels:
            self.expand = conv_norm_act(in_channels, wide, norm=norm, activation=_activation(block))
        self.depthwise = conv_norm_act(
            wide, wide, block.kernel, block.stride, groups=wide, norm=norm, activation=_activation(block)
        )
        self.squeeze = SqueezeExcitation(wide, squeezed_channels(wide)) if block.squeeze else nn.Identity()
        self.project = conv_norm_act(wide, block.channels, norm=norm)
        self.is_residual = block.stride == 1 and in_channels == block.channels

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` to `(B, channels, H / stride, W / stride)`."""
        return self.after_expansion(self.expand(x), x)

    def after_expansion(self, expanded: Tensor, x: Tensor) -> Tensor:
        """Return the output, from the output of the expansion and the input of the block."""
        result = self.project(self.squeeze(self.depthwise(expanded)))
        return x + result if self.is_residual else result


class MobileNetV3(Backbone):
    """MobileNetV3 without its classifier.

    The outputs are named `"block<k>"`, counted from 1, for the output of a block; `"expand<k>"` for the expansion in a
    block, which has the resolution of the previous block; and `"last"` for the 1×1 convolution after the blocks.

    Args:
        blocks: The blocks, as the fields of `MobileBlock`; by default those of MobileNetV3-Large.
        out_features: Names of the outputs, in order of depth.
        norm: Norm after every convolution, as in `get_norm`.

    Raises:
        ValueError: If a name in `out_features` is unknown.

    Source: Howard et al., "Searching for MobileNetV3", 2019.
    """

    def __init__(
        self,
        blocks: Sequence[tuple[int, int, int, bool, bool, int]] | None = None,
        out_features: Sequence[str] = ("block3", "block6", "block12", "last"),
        norm: NormSpec = "BN",
    ) -> None:
        super().__init__()
        rows = [MobileBlock(*row) for row in (mobilenet_v3_large_blocks() if blocks is None else blocks)]
        channels, stride = 16, 2
        self.stem = conv_norm_act(3, channels, 3, 2, norm=norm, activation=nn.Hardswish())
        self.blocks = nn.ModuleList()
        widths, strides = {}, {}
        for i, row in enumerate(rows, 1):
            self.blocks.append(InvertedResidual(channels, row, norm))
            widths[f"expand{i}"], strides[f"expand{i}"] = row.expanded, stride
            channels, stride = row.channels, stride * row.stride
            widths[f"block{i}"], strides[f"block{i}"] = channels, stride
        self.last = conv_norm_act(channels, _LAST_EXPANSION * channels, norm=norm, activation=nn.Hardswish())
        widths["last"], strides["last"] = _LAST_EXPANSION * channels, stride
        unknown = [name for name in out_features if name not in widths]
        if unknown:
            raise ValueError(f"MobileNetV3: unknown out_features {unknown}; the outputs are {', '.join(widths)}")
        self._out_features = list(out_features)
        self._out_feature_channels = {name: widths[name] for name in out_features}
        self._out_feature_strides = {name: strides[name] for name in out_features}

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, 3, H, W)` to feature maps by name."""
        outputs: dict[str, Tensor] = {}
        x = self.stem(x)
        for i, block in enumerate(self.blocks, 1):
            assert isinstance(block, InvertedResidual)
            expanded = block.expand(x)
            x = block.after_expansion(expanded, x)
            outputs |= {f"expand{i}": expanded, f"block{i}": x}
        outputs["last"] = self.last(x)
        return {name: outputs[name] for name in self._out_features}


def squeezed_channels(expanded: int) -> int:
    """Return a quarter of the channels, rounded to a multiple of 8 that is not more than 10 % smaller."""
    quarter = expanded // 4
    rounded = max(8, (quarter + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * quarter else rounded + 8


def conv_norm_act(
    in_channels: int,
    out_channels: int,
    kernel: int = 1,
    stride: int = 1,
    *,
    groups: int = 1,
    norm: NormSpec,
    activation: nn.Module | None = None,
) -> Conv2d:
    """Return a convolution without bias, with its norm and activation, that keeps the resolution at stride 1."""
    layer = Conv2d(
        in_channels,
        out_channels,
        kernel,
        stride,
        kernel // 2,
        groups=groups,
        bias=False,
        norm=get_norm(norm, out_channels),
        activation=activation,
    )
    c2_msra_fill(layer)
    return layer


def _activation(block: MobileBlock) -> nn.Module:
    return nn.Hardswish() if block.hard_swish else nn.ReLU()
