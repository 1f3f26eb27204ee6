"""Recording of an `InferenceGraph` with `torch.export`."""

import torch

from detectory.export.formats.settings import ExportSettings
from detectory.export.inference_graph import InferenceGraph

SMALLEST_SIDE = 129
"""Minimum image side for recording any size, pixels: a shorter side yields a single cell at stride 128, and
torch.export treats a size of one as a constant."""


def record(graph: InferenceGraph, settings: ExportSettings) -> torch.export.ExportedProgram:
    """Record the graph for any number of detections and the image sizes of the settings.

    Args:
        graph: The model's graph.
        settings: The first of its `inputs` is recorded.

    Raises:
        ValueError: If the image is too small.
    """
    inputs = graph.inputs_of(settings.inputs[:1])
    height, width = inputs[0].shape[-2:]
    if not settings.height and min(height, width) < SMALLEST_SIDE:
        raise ValueError(f"record: image sides must be at least {SMALLEST_SIDE} pixels, got {height}x{width}")
    dynamic = torch.export.Dim.DYNAMIC
    last = inputs[0].ndim - 1
    sides = {} if settings.height else {last - 1: dynamic, last: dynamic}
    shapes = (sides, {0: dynamic})[: len(inputs)]
    with torch.no_grad():
        return torch.export.export(graph, inputs, dynamic_shapes=shapes, strict=False)


def smallest_side(program: torch.export.ExportedProgram) -> int:
    """Return the minimum image side that the recorded program accepts, pixels."""
    image = next(node for node in program.graph.nodes if node.op == "placeholder" and node.name == "image")
    sides = [side.node.expr for side in image.meta["val"].shape if isinstance(side, torch.SymInt)]
    return max((int(program.range_constraints[side].lower) for side in sides), default=1)
