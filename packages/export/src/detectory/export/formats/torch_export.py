"""`export_torch`: write models as torch.export programs (`.pt2`)."""

import io
import os
from collections.abc import Sequence

import torch
from torch import nn

from detectory.core.storage import atomic_write
from detectory.data.classes import ClassList
from detectory.export.agreement import Agreement, Tolerance
from detectory.export.comparison import require_agreement
from detectory.export.description import KEY, describe
from detectory.export.exported_model import ExportedModel
from detectory.export.formats.torch_program import load_program
from detectory.export.inference_graph import InferenceGraph
from detectory.export.recording import record
from detectory.structures.records import ModelInput


def export_torch(
    model: nn.Module,
    inputs: Sequence[ModelInput],
    path: str | os.PathLike[str],
    *,
    resize: tuple[int, int] = (800, 1333),
    tolerance: Tolerance | None = None,
    classes: ClassList | None = None,
) -> Agreement:
    """Export a model as a torch.export program and verify it against the original.

    The program takes one image of any size and returns any number of detections before post-processing. Loading it
    requires torch and `detectory.ops`, but not the model's code.

    Args:
        model: A model of `detectory.modeling.meta_arch` in evaluation mode; it is not modified.
        inputs: Model inputs for real images that yield detections. The first one is recorded, all are compared.
        path: The `.pt2` file to write.
        resize: Target of the shorter side and limit of the longer side for `load(path).predict`, pixels.
        tolerance: Maximum differences from the original.
        classes: Class names and category ids to store in the file, for example `Predictor.from_run(...).classes`.

    Returns:
        The measured differences.

    Raises:
        ValueError: If the model is in training mode, or `inputs` is empty.
        TypeError: If the meta-architecture is not supported.
        ExportDisagreement: If the tolerance is exceeded; nothing is written.
    """
    if not inputs:
        raise ValueError("export_torch: inputs must contain at least one image, got none")
    graph = InferenceGraph(model)
    program = record(graph, inputs[0])
    description = describe(model, graph, program, resize, classes)
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={KEY: description.to_json()})
    buffer.seek(0)
    run_graph, _ = load_program(buffer)
    agreement = require_agreement(model, ExportedModel(run_graph, description), inputs, tolerance)
    with atomic_write(path) as file:
        file.write(buffer.getvalue())
    return agreement
