"""RegNets under Detectron2's module path, and the functions that describe them."""

import math

from torch import nn

from detectory.modeling.backbone import AnyNet, RegNet
from detectory.modeling.backbone.regnet import AnyStage
from detectory.modeling.backbone.regnet_blocks import (
    SE,
    BasicTransform,
    BottleneckTransform,
    ResBasicBlock,
    ResBottleneckBlock,
    ResStem,
    SimpleStem,
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
    "adjust_block_compatibility",
    "conv2d",
    "gap2d",
    "generate_regnet_parameters",
    "init_weights",
    "pool2d",
]


def conv2d(w_in: int, w_out: int, k: int, *, stride: int = 1, groups: int = 1, bias: bool = False) -> nn.Conv2d:
    """Return a convolution padded to preserve the size, up to the stride.

    Raises:
        ValueError: If `k` is even.
    """
    return nn.Conv2d(w_in, w_out, k, stride=stride, padding=_padding(k, "conv2d"), groups=groups, bias=bias)


def gap2d() -> nn.AdaptiveAvgPool2d:
    """Return a global average pooling layer."""
    return nn.AdaptiveAvgPool2d((1, 1))


def pool2d(k: int, *, stride: int = 1) -> nn.MaxPool2d:
    """Return a max pooling layer padded to preserve the size, up to the stride.

    Raises:
        ValueError: If `k` is even.
    """
    return nn.MaxPool2d(k, stride=stride, padding=_padding(k, "pool2d"))


def _padding(k: int, function: str) -> int:
    if k % 2 == 0:
        raise ValueError(f"{function}: k must be odd, got {k}")
    return (k - 1) // 2


def init_weights(m: nn.Module) -> None:
    """Initialise a layer: convolutions by fan-out, norms as identity, linear layers with a small deviation."""
    if isinstance(m, nn.Conv2d):
        fan_out = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
        nn.init.normal_(m.weight, mean=0.0, std=math.sqrt(2.0 / fan_out))
    elif isinstance(m, nn.BatchNorm2d):
        nn.init.ones_(m.weight)
        nn.init.zeros_(m.bias)
    elif isinstance(m, nn.Linear):
        nn.init.normal_(m.weight, mean=0.0, std=0.01)
        nn.init.zeros_(m.bias)


def adjust_block_compatibility(
    ws: list[int], bs: list[float], gs: list[int]
) -> tuple[list[int], list[float], list[int]]:
    """Adjust widths and group widths so that each bottleneck width is divisible by its group width.

    Args:
        ws: Stage widths.
        bs: Bottleneck ratios.
        gs: Group widths.
    """
    widths, groups = [], []
    for width, ratio, group in zip(ws, bs, gs, strict=True):
        inner = int(max(1, width * ratio))
        group = min(group, inner)
        step = math.lcm(group, int(ratio)) if ratio > 1 else group
        inner = max(step, int(round(inner / step) * step))
        widths.append(int(inner / ratio))
        groups.append(group)
    return widths, bs, groups


def generate_regnet_parameters(
    w_a: float, w_0: float, w_m: float, d: int, q: int = 8
) -> tuple[list[int], list[int], int, int, list[float]]:
    """Compute stage widths and depths from RegNet's parameters.

    Args:
        w_a: Slope of the widths, non-negative.
        w_0: Initial width, a positive multiple of `q`.
        w_m: Multiplicative step of the widths, greater than 1.
        d: Number of blocks.
        q: Quantum of the widths.

    Returns:
        Width and depth per stage, the number of stages, the maximum number of stages, and the width per block before
            quantisation.

    Raises:
        ValueError: If a parameter is out of range.

    Source: Radosavovic et al., "Designing Network Design Spaces", 2020, equations 2 to 4.
    """
    if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % q:
        raise ValueError(f"generate_regnet_parameters: invalid parameters w_a {w_a}, w_0 {w_0}, w_m {w_m}, q {q}")
    continuous = [w_0 + w_a * block for block in range(d)]
    exponents = [round(math.log(width / w_0) / math.log(w_m)) for width in continuous]
    rounded = [round(w_0 * w_m**exponent / q) * q for exponent in exponents]
    widths = sorted(set(rounded))
    depths = [rounded.count(width) for width in widths]
    return widths, depths, len(widths), max(exponents) + 1, continuous
