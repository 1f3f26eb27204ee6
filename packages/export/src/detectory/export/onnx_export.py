"""Models as ONNX files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from detectory.core.storage import atomic_write

from .description import KEY, describe
from .exported_model import ExportedModel, RunGraph
from .inference_graph import InferenceGraph
from .onnx_operators import onnx_translations
from .recording import record
from .verification import Agreement, Tolerance, require_agreement

STABLE_ONNX_OPSET_VERSION = 18
"""Version of ONNX's operators that files are written in."""

LARGEST_FILE = 2**31
"""Bytes of the largest message of protocol buffers, which an ONNX file is."""


def export_onnx(
    model: nn.Module,
    inputs: Sequence[dict[str, Any]],
    path: str | os.PathLike[str],
    *,
    resize: tuple[int, int] = (800, 1333),
    tolerance: Tolerance | None = None,
) -> Agreement:
    """Write a model as an ONNX file that agrees with it.

    The graph takes one image of any size and gives any number of detections before post-processing, in standard ONNX
    operators (opset 18). The file is compared with the model on all inputs before it appears under `path`.

    Args:
        model: A model of `detectory.modeling.meta_arch` in evaluation mode; it is not changed.
        inputs: The model's inputs for real images, with detections; the first is recorded, all are compared.
        path: The file to write, `.onnx`.
        resize: Shortest side that images are brought to by `load(path).predict`, and the longest allowed, in pixels.
        tolerance: How far results may differ.

    Returns:
        How well the file agrees with the model.

    Raises:
        ValueError: the model is training, has an operator that ONNX lacks or more than 2 GB of weights, or there is no
            input.
        TypeError: the model is of no known meta-architecture.
        ExportDisagreement: the file does not agree; nothing was written.
    """
    if not inputs:
        raise ValueError("export_onnx: inputs must hold at least one image, got none")
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
    description = describe(model, graph, program, resize)
    assert exported is not None  # without a path the exporter returns the program
    proto = exported.model_proto
    onnx.helper.set_model_props(proto, {KEY: description.to_json()})
    data = proto.SerializeToString()
    agreement = require_agreement(model, ExportedModel(run_onnx(data), description), inputs, tolerance)
    with atomic_write(path) as file:
        file.write(data)
    return agreement


def run_onnx(model: bytes | str) -> RunGraph:
    """Return a function that runs an ONNX model, given as bytes or a path, with onnxruntime on the CPU."""
    return OnnxGraph(model)


class OnnxGraph:
    """An ONNX model in onnxruntime.

    Args:
        model: The file's bytes or its path.

    Attributes:
        metadata: The texts that the file keeps beside its graph.
    """

    def __init__(self, model: bytes | str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # only errors
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._names = [entry.name for entry in self._session.get_inputs()]
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    def __call__(self, inputs: tuple[Tensor, ...]) -> list[Tensor]:
        """Run the graph."""
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in zip(self._names, inputs, strict=True)}
        return [torch.from_numpy(array) for array in self._session.run(None, arrays)]


def _check_operators(program: torch.export.ExportedProgram) -> None:
    ours = {node.target for node in program.graph.nodes if getattr(node.target, "namespace", "") == "detectory"}
    names = sorted(target.name().split("::")[-1] for target in ours - onnx_translations().keys())
    if names:
        raise ValueError(f"export_onnx: ONNX has no operator for detectory.ops.{names[0]}; use export_torch instead")


def _check_size(graph: nn.Module) -> None:
    size = sum(tensor.nbytes for tensor in [*graph.parameters(), *graph.buffers()])
    if size >= LARGEST_FILE:
        raise ValueError(f"export_onnx: one ONNX file holds 2 GB at most, the weights take {size} bytes")
