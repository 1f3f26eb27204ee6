"""Activation counting under fvcore's module path."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from torch import nn

from detectory.compat.fvcore.nn import jit_handles
from detectory.compat.fvcore.nn.graph_counts import count_graph
from detectory.compat.fvcore.nn.jit_analysis import JitModelAnalysis
from detectory.modeling import analysis

__all__ = ["ActivationCountAnalysis", "activation_count"]

_COUNTED = ("_convolution", "addmm", "bmm", "einsum", "linear", "matmul", "mm")


class ActivationCountAnalysis(JitModelAnalysis, analysis.ActivationCountAnalysis):
    """`detectory.modeling.analysis.ActivationCountAnalysis` with the interface of fvcore's class."""


def activation_count(
    model: nn.Module, inputs: tuple[Any, ...], supported_ops: Mapping[str, jit_handles.Handle | None] | None = None
) -> tuple[defaultdict[str, float], Counter[str]]:
    """Count activations by operator, in units of 1e6.

    Without `supported_ops` operators are counted as they are executed, and no operator is reported as skipped.

    Args:
        model: The model.
        inputs: Arguments of the model.
        supported_ops: Additional or replaced handles of operators in the traced graph, such as
            `{"aten::_convolution": handle}`; see `detectory.compat.fvcore.nn.jit_handles`.

    Returns:
        The counts by operator, and how often each operator without a handle occurs.
    """
    if supported_ops:
        handles = {f"aten::{name}": jit_handles.generic_activation_jit(name) for name in _COUNTED}
        return count_graph(model, inputs, {**handles, **supported_ops}, 1e6)
    return defaultdict(float, analysis.activation_count(model, inputs)), Counter()
