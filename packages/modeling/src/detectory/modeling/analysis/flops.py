"""Number of multiply-adds by module and operator."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from .count_analysis import CountAnalysis


def _roi_align_multiply_adds(input_shape: Any, *_: Any, out_shape: Any, **__: Any) -> int:
    """Return the operations of four neighbors per sample, for one sample per bin, the minimum of the adaptive ratio."""
    del input_shape
    total = 4
    for size in out_shape:
        total *= size
    return 2 * total


def _deform_conv_multiply_adds(
    input_shape: Any, offset_shape: Any, weight_shape: Any, *_: Any, out_shape: Any, **__: Any
) -> int:
    """Return the operations of a regular convolution, plus four per input sample for the interpolation."""
    del offset_shape
    batch, out_channels, height, width = out_shape
    taps = weight_shape[2] * weight_shape[3]
    convolution = batch * out_channels * height * width * weight_shape[1] * taps
    return 2 * (convolution + 4 * batch * input_shape[1] * height * width * taps)


def _winograd_multiply_adds(input_shape: Any, *_: Any, out_shape: Any, **__: Any) -> int:
    """Return the operations of the equivalent direct 3×3 convolution."""
    batch, out_channels, height, width = out_shape
    return 2 * batch * out_channels * height * width * input_shape[1] * 9


def _custom_formulas() -> dict[Any, Callable[..., int]]:
    """Return formulas for the operators of `detectory.ops`, which count a multiply-add as two like torch's."""
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
    """Number of multiply-adds in one call of a model.

    A multiply-add counts as one operation, as in the detection papers. Convolutions, matrix products, attention,
    `roi_align` and deformable convolutions are counted. Norms and activations are not: their time depends on memory
    bandwidth rather than arithmetic.

    Args:
        model: The model, in the mode (training or inference) to analyze.
        inputs: Tuple of the arguments of the call; any other object is the only argument.

    Example:
        >>> import torch
        >>> FlopCountAnalysis(torch.nn.Linear(3, 4), torch.zeros(2, 3)).total()
        24
    """

    def _run(self) -> dict[str, Counter[str]]:
        counter = FlopCounterMode(display=False, custom_mapping=_custom_formulas())
        with counter:
            self.model(*self.inputs)
        # torch counts a multiply-add as two operations.
        return {
            key: Counter({str(operator).split(".")[-1]: flops // 2 for operator, flops in counts.items()})
            for key, counts in counter.get_flop_counts().items()
        }


def flop_count(model: nn.Module, inputs: Any) -> Counter[str]:
    """Return the number of multiply-adds by operator, in billions; the arguments are those of `FlopCountAnalysis`."""
    counts = FlopCountAnalysis(model, inputs).by_operator()
    return Counter({operator: count / 1e9 for operator, count in counts.items()})
