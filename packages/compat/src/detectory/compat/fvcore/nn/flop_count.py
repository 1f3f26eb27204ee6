"""FLOP counting under fvcore's module path."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from torch import nn

from detectory.compat.fvcore.nn import jit_handles
from detectory.compat.fvcore.nn.graph_counts import count_graph
from detectory.compat.fvcore.nn.jit_analysis import JitModelAnalysis
from detectory.modeling import analysis

__all__ = ["FlopCountAnalysis", "flop_count"]

_HANDLES: dict[str, jit_handles.Handle] = {
    "aten::_convolution": jit_handles.conv_flop_jit,
    "aten::addmm": jit_handles.addmm_flop_jit,
    "aten::bmm": jit_handles.bmm_flop_jit,
    "aten::einsum": jit_handles.einsum_flop_jit,
    "aten::linear": jit_handles.linear_flop_jit,
    "aten::matmul": jit_handles.matmul_flop_jit,
    "aten::mm": jit_handles.matmul_flop_jit,
}


class FlopCountAnalysis(JitModelAnalysis, analysis.FlopCountAnalysis):
    """`detectory.modeling.analysis.FlopCountAnalysis` with the interface of fvcore's class."""


def flop_count(
    model: nn.Module, inputs: tuple[Any, ...], supported_ops: Mapping[str, jit_handles.Handle | None] | None = None
) -> tuple[defaultdict[str, float], Counter[str]]:
    """Count multiply-adds by operator, in units of 1e9.

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
        return count_graph(model, inputs, {**_HANDLES, **supported_ops}, 1e9)
    return defaultdict(float, analysis.flop_count(model, inputs)), Counter()
