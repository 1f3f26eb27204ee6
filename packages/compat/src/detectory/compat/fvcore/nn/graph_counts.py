"""Counts of the operators in the TorchScript graph of a model, with handles per operator."""

import warnings
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from detectory.compat.fvcore.nn.jit_handles import Handle

__all__ = ["count_graph"]

# Nodes that do not compute are not reported as skipped.
_NAMESPACES = ("aten::", "detectory::", "torchvision::")


def count_graph(
    model: nn.Module, inputs: tuple[Any, ...], handles: Mapping[str, Handle | None], unit: float
) -> tuple[defaultdict[str, float], Counter[str]]:
    """Trace a model and count the nodes of its graph.

    Args:
        model: The model; it stays in its mode.
        inputs: Arguments of the model.
        handles: Function for each operator such as `"aten::conv2d"`; operators without a handle are skipped, those
            with None are not reported as skipped either. A handle returns a number or a `Counter` by name.
        unit: Divisor of the results, 1e9 for GFLOPs.

    Returns:
        The counts by operator without its namespace, and how often each operator was skipped.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # traced control flow does not affect the counts of this input
        graph = torch.jit._get_trace_graph(model, inputs)[0]  # unlike `trace`, with the shapes of parameters
    counts: defaultdict[str, float] = defaultdict(float)
    skipped: Counter[str] = Counter()
    for node in graph.nodes():
        name = node.kind()
        if name not in handles:
            if name.startswith(_NAMESPACES):
                skipped[name] += 1
            continue
        handle = handles[name]
        if handle is None:
            continue
        result = handle(list(node.inputs()), list(node.outputs()))
        by_name = result if isinstance(result, Mapping) else {name.split("::")[1]: result}
        for key, count in by_name.items():
            counts[key] += count / unit
    return counts, skipped
