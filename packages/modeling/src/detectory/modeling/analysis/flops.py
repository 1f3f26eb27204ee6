"""How many floating-point operations a model needs, by operator and by module."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from .count_analysis import CountAnalysis


def _roi_align_multiply_adds(input_shape: Any, *_: Any, out_shape: Any, **__: Any) -> int:
    """Four neighbours for each sample of each output, at the adaptive ratio's least, one sample a bin."""
    del input_shape
    total = 4
    for size in out_shape:
        total *= size
    return 2 * total


def _deform_conv_multiply_adds(
    input_shape: Any, offset_shape: Any, weight_shape: Any, *_: Any, out_shape: Any, **__: Any
) -> int:
    """Those of a plain convolution, and four for sampling each of its inputs."""
    del offset_shape
    batch, out_channels, height, width = out_shape
    taps = weight_shape[2] * weight_shape[3]
    convolution = batch * out_channels * height * width * weight_shape[1] * taps
    return 2 * (convolution + 4 * batch * input_shape[1] * height * width * taps)


def _winograd_multiply_adds(input_shape: Any, *_: Any, out_shape: Any, **__: Any) -> int:
    """Those of the plain 3x3 convolution, whose result it is."""
    batch, out_channels, height, width = out_shape
    return 2 * batch * out_channels * height * width * input_shape[1] * 9


def _custom_formulas() -> dict[Any, Callable[..., int]]:
    formulas = {
        "roi_align": _roi_align_multiply_adds,
        "deform_conv2d": _deform_conv_multiply_adds,
        "winograd_conv2d": _winograd_multiply_adds,
    }
    return {
        getattr(torch.ops.detectory, name): formula
        for name, formula in formulas.items()
        if hasattr(torch.ops.detectory, name)
    }


class FlopCountAnalysis(CountAnalysis):
    """Run a model once and count.

    One multiply-add counts as one operation, as the detection papers count. Convolutions, matrix products,
    attention, `roi_align` and deformable convolutions are counted; norms and activations are not, as memory and
    not arithmetic sets their time.

    Args:
        model: The model, in the mode (training or inference) that shall be counted.
        inputs: Arguments of its call, a tuple; a single other object is taken as the only argument.

    Example:
        >>> import torch
        >>> FlopCountAnalysis(torch.nn.Linear(3, 4), torch.zeros(2, 3)).total()
        24
    """

    def _run(self) -> dict[str, Counter[str]]:
        counter = FlopCounterMode(display=False, custom_mapping=_custom_formulas())
        with counter:
            self.model(*self.inputs)
        # torch counts a multiply-add as two.
        return {
            key: Counter({str(operator).split(".")[-1]: flops // 2 for operator, flops in counts.items()})
            for key, counts in counter.get_flop_counts().items()
        }


def flop_count(model: nn.Module, inputs: Any) -> Counter[str]:
    """Return billions of multiply-adds by operator; arguments as for `FlopCountAnalysis`."""
    counts = FlopCountAnalysis(model, inputs).by_operator()
    return Counter({operator: count / 1e9 for operator, count in counts.items()})
