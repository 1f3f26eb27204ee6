"""Models as torch.export programs (`.pt2`), and TorchScript by tracing."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from detectory.core.storage import atomic_write

from .description import KEY, describe
from .exported_model import ExportedModel, RunGraph
from .inference_graph import InferenceGraph
from .recording import record
from .verification import Agreement, Tolerance, require_agreement


def export_torch(
    model: nn.Module,
    inputs: Sequence[dict[str, Any]],
    path: str | os.PathLike[str],
    *,
    resize: tuple[int, int] = (800, 1333),
    tolerance: Tolerance | None = None,
) -> Agreement:
    """Write a model as a torch.export program that agrees with it.

    The program takes one image of any size and gives any number of detections before post-processing. Whoever loads it
    needs torch and `detectory.ops`, not the model's code.

    Args:
        model: A model of `detectory.modeling.meta_arch` in evaluation mode; it is not changed.
        inputs: The model's inputs for real images, with detections; the first is recorded, all are compared.
        path: The file to write, `.pt2`.
        resize: Shortest side that images are brought to by `load(path).predict`, and the longest allowed, in pixels.
        tolerance: How far results may differ.

    Returns:
        How well the file agrees with the model.

    Raises:
        ValueError: the model is training, or there is no input.
        TypeError: the model is of no known meta-architecture.
        ExportDisagreement: the program does not agree; nothing was written.
    """
    if not inputs:
        raise ValueError("export_torch: inputs must hold at least one image, got none")
    graph = InferenceGraph(model)
    program = record(graph, inputs[0])
    description = describe(model, graph, program, resize)
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={KEY: description.to_json()})
    buffer.seek(0)
    run_graph, _ = load_program(buffer)
    agreement = require_agreement(model, ExportedModel(run_graph, description), inputs, tolerance)
    with atomic_write(path) as file:
        file.write(buffer.getvalue())
    return agreement


def load_program(file: str | io.BytesIO) -> tuple[RunGraph, str]:
    """Return the graph of a `.pt2` file as a function, and the description beside it, empty where there is none."""
    extra = {KEY: ""}
    program = torch.export.load(file, extra_files=extra).module()

    def run_graph(inputs: tuple[torch.Tensor, ...]) -> Sequence[torch.Tensor]:
        with torch.no_grad():
            return program(*inputs)

    return run_graph, extra[KEY]
