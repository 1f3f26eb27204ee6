"""Multiply-adds under fvcore's module path."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from torch import nn

from detectory.modeling import analysis
from detectory.modeling.analysis import FlopCountAnalysis

__all__ = ["FlopCountAnalysis", "flop_count"]


def flop_count(
    model: nn.Module, inputs: tuple[Any, ...], supported_ops: Mapping[str, Any] | None = None
) -> tuple[defaultdict[str, float], Counter[str]]:
    """Return billions of multiply-adds by operator, and the operators that were left out: none is known to be.

    Args:
        model: The model.
        inputs: Arguments of its call.
        supported_ops: fvcore's formulas for operators of a TorchScript graph. Counting looks at the operators that run
            and has no such graph.

    Raises:
        ValueError: `supported_ops` is given.
    """
    if supported_ops:
        raise ValueError("flop_count: supported_ops is not known here, operators are counted as they run")
    return defaultdict(float, analysis.flop_count(model, inputs)), Counter()
