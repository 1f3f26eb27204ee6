"""Recording a model with `torch.export`."""

from __future__ import annotations

from typing import Any

import torch

from .inference_graph import InferenceGraph

SMALLEST_SIDE = 129
"""A shorter image has one cell at stride 128, and torch.export takes a size of one for a constant."""


def record(graph: InferenceGraph, item: dict[str, Any]) -> torch.export.ExportedProgram:
    """Record the graph for images of any size and any number of detections.

    Args:
        graph: The model's graph; its outputs are named on the way.
        item: An input of the model that has detections; sides of at least 129 pixels.

    Raises:
        ValueError: when the image is smaller.
    """
    inputs = graph.inputs_of(item)
    height, width = inputs[0].shape[1:]
    if min(height, width) < SMALLEST_SIDE:
        raise ValueError(f"record: the image must have sides of at least {SMALLEST_SIDE} pixels, got {height}x{width}")
    graph.name_outputs(item)
    dynamic = torch.export.Dim.DYNAMIC
    shapes = ({1: dynamic, 2: dynamic}, {0: dynamic})[: len(inputs)]
    with torch.no_grad():
        return torch.export.export(graph, inputs, dynamic_shapes=shapes, strict=False)


def smallest_side(program: torch.export.ExportedProgram) -> int:
    """Return the shortest side of an image, in pixels, that the recorded program accepts."""
    image = next(node for node in program.graph.nodes if node.op == "placeholder" and node.name == "image")
    sides = [side.node.expr for side in image.meta["val"].shape if isinstance(side, torch.SymInt)]
    return max(int(program.range_constraints[side].lower) for side in sides)
