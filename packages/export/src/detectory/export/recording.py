"""Recording of an `InferenceGraph` with `torch.export`."""

import torch

from detectory.export.inference_graph import InferenceGraph
from detectory.structures.records import ModelInput

SMALLEST_SIDE = 129
"""Minimum image side for recording, pixels: a shorter side yields a single cell at stride 128, and torch.export treats
a size of one as a constant."""


def record(graph: InferenceGraph, item: ModelInput) -> torch.export.ExportedProgram:
    """Record the graph for any image size and any number of detections.

    Args:
        graph: The model's graph; its `output_names` are set as a side effect.
        item: A model input that yields detections, with image sides of at least 129 pixels.

    Raises:
        ValueError: If the image is too small.
    """
    inputs = graph.inputs_of(item)
    height, width = inputs[0].shape[1:]
    if min(height, width) < SMALLEST_SIDE:
        raise ValueError(f"record: image sides must be at least {SMALLEST_SIDE} pixels, got {height}x{width}")
    graph.name_outputs(item)
    dynamic = torch.export.Dim.DYNAMIC
    shapes = ({1: dynamic, 2: dynamic}, {0: dynamic})[: len(inputs)]
    with torch.no_grad():
        return torch.export.export(graph, inputs, dynamic_shapes=shapes, strict=False)


def smallest_side(program: torch.export.ExportedProgram) -> int:
    """Return the minimum image side that the recorded program accepts, pixels."""
    image = next(node for node in program.graph.nodes if node.op == "placeholder" and node.name == "image")
    sides = [side.node.expr for side in image.meta["val"].shape if isinstance(side, torch.SymInt)]
    return max(int(program.range_constraints[side].lower) for side in sides)
