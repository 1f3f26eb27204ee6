"""`export_onnx`: write models as ONNX files."""

import os
from collections.abc import Sequence

import onnx
import torch
from torch import nn

from detectory.core.storage import atomic_write
from detectory.data.classes import ClassList
from detectory.export.agreement import Agreement, Tolerance
from detectory.export.comparison import require_agreement
from detectory.export.description import KEY, describe
from detectory.export.exported_model import ExportedModel
from detectory.export.formats.onnx_operators import onnx_translations
from detectory.export.formats.onnx_runtime import OnnxGraph
from detectory.export.inference_graph import InferenceGraph
from detectory.export.recording import record
from detectory.structures.records import ModelInput

STABLE_ONNX_OPSET_VERSION = 18
"""ONNX opset version of the exported files."""

MAX_FILE_SIZE = 2**31
"""Size limit of a protocol buffer message, and therefore of an ONNX file, in bytes."""


def export_onnx(
    model: nn.Module,
    inputs: Sequence[ModelInput],
    path: str | os.PathLike[str],
    *,
    resize: tuple[int, int] = (800, 1333),
    tolerance: Tolerance | None = None,
    classes: ClassList | None = None,
) -> Agreement:
    """Export a model as an ONNX file and verify it against the original.

    The graph takes one image of any size and returns any number of detections before post-processing, in standard
    ONNX operators (opset 18). The file is written only after its predictions for all inputs have been compared.

    Args:
        model: A model of `detectory.modeling.meta_arch` in evaluation mode; it is not modified.
        inputs: Model inputs for real images that yield detections. The first one is recorded, all are compared.
        path: The `.onnx` file to write.
        resize: Target of the shorter side and limit of the longer side for `load(path).predict`, pixels.
        tolerance: Maximum differences from the original.
        classes: Class names and category ids to store in the file, for example `Predictor.from_run(...).classes`.

    Returns:
        The measured differences.

    Raises:
        ValueError: If the model is in training mode, uses an operator without an ONNX equivalent or has more than
            2 GB of weights, or if `inputs` is empty.
        TypeError: If the meta-architecture is not supported.
        ExportDisagreement: If the tolerance is exceeded; nothing is written.
    """
    if not inputs:
        raise ValueError("export_onnx: inputs must contain at least one image, got none")
    graph = InferenceGraph(model)
    program = record(graph, inputs[0])
    _check_operators(program)
    _check_size(graph)
    exported = torch.onnx.export(
        program,
        input_names=list(graph.input_names),
        output_names=list(graph.output_names),
        opset_version=STABLE_ONNX_OPSET_VERSION,
        custom_translation_table=onnx_translations(),
        verbose=False,
    )
    description = describe(model, graph, program, resize, classes)
    assert exported is not None  # without a path the exporter returns the program
    proto = exported.model_proto
    onnx.helper.set_model_props(proto, {KEY: description.to_json()})
    data = proto.SerializeToString()
    agreement = require_agreement(model, ExportedModel(OnnxGraph(data), description), inputs, tolerance)
    with atomic_write(path) as file:
        file.write(data)
    return agreement


def _check_operators(program: torch.export.ExportedProgram) -> None:
    ours = {node.target for node in program.graph.nodes if getattr(node.target, "namespace", "") == "detectory"}
    names = sorted(target.name().split("::")[-1] for target in ours - onnx_translations().keys())
    if names:
        raise ValueError(
            f"export_onnx: detectory.ops.{names[0]} does not have an ONNX equivalent. Use export_torch instead"
        )


def _check_size(graph: nn.Module) -> None:
    size = sum(tensor.nbytes for tensor in [*graph.parameters(), *graph.buffers()])
    if size >= MAX_FILE_SIZE:
        raise ValueError(f"export_onnx: an ONNX file is limited to 2 GB, the model has {size} bytes of weights")
