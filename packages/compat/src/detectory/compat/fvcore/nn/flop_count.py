"""FLOP counting under fvcore's module path."""

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
    """Count multiply-adds by operator, in units of 1e9, and return an empty counter of skipped operators.

    Args:
        model: The model.
        inputs: Arguments of the model.
        supported_ops: Not supported: fvcore's handlers refer to operators of a TorchScript graph, which is not created
            here.

    Raises:
        ValueError: If `supported_ops` is given.
    """
    if supported_ops:
        raise ValueError("flop_count: supported_ops is not supported, operators are counted as they are executed")
    return defaultdict(float, analysis.flop_count(model, inputs)), Counter()
