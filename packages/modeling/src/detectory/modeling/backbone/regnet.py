"""AnyNet and RegNet as detection backbones."""

import math
from collections import Counter
from collections.abc import Sequence

from torch import Tensor, nn

from detectory.core.suggestions import nearest
from detectory.modeling.layers.norms import NormSpec

from .backbone import Backbone
from .regnet_blocks import (
    SE,
    Activation,
    BasicTransform,
    BlockClass,
    BottleneckTransform,
    ResBasicBlock,
    ResBottleneckBlock,
    ResStem,
    SimpleStem,
    StemClass,
    VanillaBlock,
)

__all__ = [
    "SE",
    "AnyNet",
    "AnyStage",
    "BasicTransform",
    "BottleneckTransform",
    "RegNet",
    "ResBasicBlock",
    "ResBottleneckBlock",
    "ResStem",
    "SimpleStem",
    "VanillaBlock",
]


def _relu() -> nn.Module:
    return nn.ReLU(inplace=True)


def _init_weights(module: nn.Module) -> None:
    """Initialize convolutions (He, fan-out) and linear layers."""
    if isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
        nn.init.normal_(module.weight, std=math.sqrt(2.0 / fan_out))
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)


class AnyStage(nn.Module):
    """Blocks of the same width; the first one changes the width and the resolution.

    Args:
        stride: Stride of the first block.
        w_in: Channels of the input.
        w_out: Channels of the output.
        d: Number of blocks.
        block_class: Class of the blocks.
        norm: Norm after every convolution, as in `get_norm`.
        activation_class: Factory of activations.
        params: Further parameters of the blocks, see `BottleneckTransform`.
    """

    def __init__(
        self,
        stride: int,
        w_in: int,
        w_out: int,
        d: int,
        block_class: BlockClass,
        norm: NormSpec,
        activation_class: Activation,
        params: dict,
    ) -> None:
        super().__init__()
        for i in range(d):
            block = block_class(
                w_in if i == 0 else w_out, w_out, stride if i == 0 else 1, norm, activation_class, params
            )
            self.add_module(f"b{i + 1}", block)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, w_in, H, W)` to `(B, w_out, H / stride, W / stride)`."""
        for block in self.children():
            x = block(x)
        return x


class AnyNet(Backbone):
    """A stem and stages of identical blocks. The outputs are named `"stem"`, `"s1"`, `"s2"`, ….

    Args:
        stem_class: Class of the stem.
        stem_width: Channels of the stem.
        block_class: Class of the blocks.
        depths: Number of blocks of each stage.
        widths: Channels of each stage.
        group_widths: Channels per group of the 3×3 convolutions, for each stage.
        strides: Stride of each stage.
        bottleneck_ratios: Channels of the 3×3 convolutions relative to the width of the stage, for each stage.
        se_ratio: Channels of the squeeze-and-excitation bottleneck relative to the block's input; 0 for none.
        activation_class: Factory of activations, by default ReLU.
        freeze_at: Number of frozen parts, see `freeze`.
        norm: Norm after every convolution, as in `get_norm`.
        out_features: Names of the outputs; `None` for the last one.

    Raises:
        ValueError: If a name in `out_features` is unknown.

    Source: Radosavovic et al., "Designing Network Design Spaces", 2020, section 3.2.
    """

    def __init__(
        self,
        *,
        stem_class: StemClass,
        stem_width: int,
        block_class: BlockClass,
        depths: Sequence[int],
        widths: Sequence[int],
        group_widths: Sequence[int],
        strides: Sequence[int],
        bottleneck_ratios: Sequence[float],
        se_ratio: float,
        activation_class: Activation | None = None,
        freeze_at: int = 0,
        norm: NormSpec = "BN",
        out_features: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        activation = activation_class or _relu
        self.stem = stem_class(3, stem_width, norm, activation)
        stride = self.stem.stride
        width = stem_width
        self._out_feature_strides = {"stem": stride}
        self._out_feature_channels = {"stem": width}
        self.stage_names: list[str] = []
        stages = zip(depths, widths, strides, bottleneck_ratios, group_widths, strict=True)
        for i, (depth, stage_width, stage_stride, bottleneck_ratio, group_width) in enumerate(stages, 1):
            params = {"bot_mul": bottleneck_ratio, "group_w": group_width, "se_r": se_ratio}
            stage = AnyStage(
                stride=stage_stride,
                w_in=width,
                w_out=stage_width,
                d=depth,
                block_class=block_class,
                norm=norm,
                activation_class=activation,
                params=params,
            )
            self.add_module(f"s{i}", stage)
            self.stage_names.append(f"s{i}")
            stride *= stage_stride
            width = stage_width
            self._out_feature_strides[f"s{i}"] = stride
            self._out_feature_channels[f"s{i}"] = width
        self.apply(_init_weights)
        self._out_features = list(out_features or [self.stage_names[-1]])
        for name in self._out_features:
            if name not in self._out_feature_strides:
                known = nearest(name, self._out_feature_strides)
                raise ValueError(f"{type(self).__name__}: unknown out_features {name!r}; {known}")
        self.freeze(freeze_at)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, 3, H, W)` to the feature maps `(B, channels, H / stride, W / stride)` by name."""
        outputs = {}
        for name in ("stem", *self.stage_names):
            x = getattr(self, name)(x)
            if name in self._out_features:
                outputs[name] = x
        return outputs

    def freeze(self, freeze_at: int = 0) -> "AnyNet":
        """Freeze the first parts: 1 freezes the stem, 2 the stem and `s1`, and so on; 0 freezes nothing.

        Returns:
            The network itself.
        """
        if freeze_at >= 1:
            self.stem.freeze()
        for name in self.stage_names[: max(freeze_at - 1, 0)]:
            for block in getattr(self, name).children():
                block.freeze()
        return self


class RegNet(AnyNet):
    """An AnyNet with block widths that follow a quantized linear function.

    Args:
        stem_class: Class of the stem.
        stem_width: Channels of the stem.
        block_class: Class of the blocks.
        depth: Total number of blocks.
        w_a: Slope of the linear function, in channels per block.
        w_0: Initial width in channels.
        w_m: Ratio of consecutive quantized widths.
        group_width: Channels per group of the 3×3 convolutions.
        stride: Stride of every stage.
        bottleneck_ratio: Channels of the 3×3 convolutions relative to the width of the stage.
        se_ratio: Channels of the squeeze-and-excitation bottleneck relative to the block's input; 0 for none.
        activation_class: Factory of activations, by default ReLU.
        freeze_at: Number of frozen parts, see `AnyNet.freeze`.
        norm: Norm after every convolution, as in `get_norm`.
        out_features: Names of the outputs; `None` for the last one.

    Raises:
        ValueError: If the width parameters or a name in `out_features` are invalid.

    Source: Radosavovic et al., "Designing Network Design Spaces", 2020, equations 2 to 4.
    """

    def __init__(
        self,
        *,
        stem_class: StemClass,
        stem_width: int,
        block_class: BlockClass,
        depth: int,
        w_a: float,
        w_0: float,
        w_m: float,
        group_width: int,
        stride: int = 2,
        bottleneck_ratio: float = 1.0,
        se_ratio: float = 0.0,
        activation_class: Activation | None = None,
        freeze_at: int = 0,
        norm: NormSpec = "BN",
        out_features: Sequence[str] | None = None,
    ) -> None:
        widths, depths = regnet_widths(w_a, w_0, w_m, depth)
        groups = [min(group_width, max(1, int(width * bottleneck_ratio))) for width in widths]
        pairs = zip(widths, groups, strict=True)
        widths = [_compatible_width(width, bottleneck_ratio, group) for width, group in pairs]
        super().__init__(
            stem_class=stem_class,
            stem_width=stem_width,
            block_class=block_class,
            depths=depths,
            widths=widths,
            group_widths=groups,
            strides=[stride] * len(widths),
            bottleneck_ratios=[bottleneck_ratio] * len(widths),
            se_ratio=se_ratio,
            activation_class=activation_class,
            freeze_at=freeze_at,
            norm=norm,
            out_features=out_features,
        )


def regnet_widths(w_a: float, w_0: float, w_m: float, depth: int, q: int = 8) -> tuple[list[int], list[int]]:
    """Return the width and the number of blocks of each stage.

    Block `j` has the width `w_0 + w_a * j`, quantized to `w_0 * w_m ** s` for an integer `s` and rounded to a multiple
    of `q`. Consecutive blocks of the same width form a stage.

    Args:
        w_a: Slope of the linear function, not negative.
        w_0: Initial width, a multiple of `q`.
        w_m: Ratio of consecutive quantized widths, greater than 1.
        depth: Total number of blocks.
        q: Divisor of the widths.

    Raises:
        ValueError: If a parameter is out of range.

    Source: Radosavovic et al., "Designing Network Design Spaces", 2020, equations 2 to 4.
    """
    if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % q:
        raise ValueError(
            f"regnet_widths: w_a must be >= 0, w_0 a positive multiple of {q} and w_m > 1, got {w_a}, {w_0} and {w_m}"
        )
    blocks_per_width: Counter[int] = Counter()
    for i in range(depth):
        exponent = round(math.log((i * w_a + w_0) / w_0) / math.log(w_m))
        blocks_per_width[round(w_0 * w_m**exponent / q) * q] += 1
    return list(blocks_per_width), list(blocks_per_width.values())


def _compatible_width(width: int, ratio: float, group: int) -> int:
    """Return the width closest to `width` with a bottleneck that is a multiple of the group width."""
    multiple = math.lcm(group, int(ratio)) if ratio > 1 else group
    inner = max(1, int(width * ratio))
    return int(max(multiple, round(inner / multiple) * multiple) / ratio)
