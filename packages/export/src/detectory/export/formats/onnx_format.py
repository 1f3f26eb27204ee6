"""ONNX files."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from detectory.export.description import KEY, Description
from detectory.export.digest import check_seal, files_of, seal
from detectory.export.exported_model import ExportedModel, RunGraph
from detectory.export.formats.format import Format
from detectory.export.formats.onnx_batch import loop_over_images
from detectory.export.formats.onnx_bfloat16 import store_weights_as_bfloat16
from detectory.export.formats.onnx_functions import inline_functions
from detectory.export.formats.onnx_operators import onnx_translations
from detectory.export.formats.onnx_runtime import OnnxGraph
from detectory.export.formats.settings import ExportSettings
from detectory.export.inference_graph import InferenceGraph
from detectory.export.quantization import quantize_statically
from detectory.export.recording import record, smallest_side

STABLE_ONNX_OPSET_VERSION = 18
"""ONNX opset version of the exported files."""

MAX_WEIGHTS = 2**31 - 2**24
"""Size of the weights in bytes above which they are stored in a second file: protocol buffers are limited to 2 GB."""

_IR_VERSION_FIELD = b"\x08"
"""First byte of an ONNX file: the key of the field `ir_version`."""


class Onnx(Format):
    """A file of standard ONNX operators for onnxruntime and other runtimes.

    Weights of more than 2 GB are stored in the file `NAME.onnx.data` next to it.
    """

    name = "onnx"
    title = "ONNX"
    suffix = ".onnx"
    modules = ("onnx", "onnxruntime", "onnxscript")
    dtypes = ("float32", "float16", "bfloat16", "int8")

    def unsupported(self, model: nn.Module, settings: ExportSettings) -> str | None:
        """Return why a model cannot be exported; the batch may have any size."""
        if settings.dtype in ("bfloat16", "int8") and _weights_size(model) > MAX_WEIGHTS:
            return f"ONNX files with more than 2 GB of weights cannot have dtype {settings.dtype}"
        return super().unsupported(model, replace(settings, batch=settings.batch or 1))

    def graph_dtype(self, dtype: str) -> str:
        """Return the type of the recorded graph; bfloat16 is only stored, onnxruntime does not compute in it."""
        return "float16" if dtype == "float16" else "float32"

    def write(self, graph: InferenceGraph, settings: ExportSettings, description: Description, path: Path) -> None:
        """Record the graph, translate it and save the file."""
        single = graph
        if settings.batch == 0:
            single = copy.copy(graph)
            single.batch, single.input_names = 1, ("image",)
            single.output_names = tuple(name for name in graph.output_names if name != "image_index")
        program = record(single, settings)
        _check_operators(program)
        exported = torch.onnx.export(
            program,
            input_names=list(single.input_names),
            output_names=list(single.output_names),
            opset_version=STABLE_ONNX_OPSET_VERSION,
            custom_translation_table=onnx_translations(),
            verbose=False,
        )
        assert exported is not None  # without a path the exporter returns the program
        has_data_file = _weights_size(single) > MAX_WEIGHTS
        if has_data_file:
            exported.save(path, external_data=True)
            model = onnx.load(path, load_external_data=False)
        else:
            model = exported.model_proto
        model = inline_functions(model)
        description = replace(description, smallest_side=smallest_side(program))
        if settings.dtype == "bfloat16":
            store_weights_as_bfloat16(model)
        if settings.dtype == "int8":
            model, report = _quantized(model, single, settings, description)
            description = replace(description, quantization=report)
        if settings.batch == 0:
            model = loop_over_images(model)
        onnx.helper.set_model_props(model, {KEY: description.to_json()})
        path.write_bytes(model.SerializeToString())
        seal(files_of(path))

    def recognizes(self, path: Path) -> bool:
        """Whether the file starts like a serialized `ModelProto`."""
        with path.open("rb") as file:
            return file.read(1) == _IR_VERSION_FIELD

    def load(self, path: Path, device: torch.device) -> tuple[RunGraph, Description]:
        """Load the file in onnxruntime on the CPU."""
        graph = OnnxGraph(str(path))
        text = graph.metadata.get(KEY)
        if not text:
            raise ValueError(f"load: {path} does not contain {KEY}. Was the file written by detectory.export?")
        description = Description.from_json(text, str(path))
        check_seal(files_of(path), description.digest)
        return graph, description


def _quantized(
    model: onnx.ModelProto, graph: InferenceGraph, settings: ExportSettings, description: Description
) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """Return the int8 model and the report of its quantisation."""
    single = replace(description, batch=1, input_names=graph.input_names, output_names=graph.output_names)

    def accuracy(candidate: onnx.ModelProto) -> float:
        assert settings.accuracy is not None
        return settings.accuracy(ExportedModel(OnnxGraph(candidate.SerializeToString()), single))

    inputs = [pixels.numpy() for item in settings.calibration for pixels in graph.inputs_of([item])[:1]]
    measured = accuracy if settings.accuracy is not None else None
    result, report = quantize_statically(model, inputs, measured, settings.max_ap_drop)
    return result, report.to_dict()


def _check_operators(program: torch.export.ExportedProgram) -> None:
    ours = {node.target for node in program.graph.nodes if getattr(node.target, "namespace", "") == "detectory"}
    names = sorted(target.name().split("::")[-1] for target in ours - onnx_translations().keys())
    if names:
        raise ValueError(
            f"export: detectory.ops.{names[0]} does not have an ONNX equivalent. Use format='torch-export' instead"
        )


def _weights_size(graph: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in [*graph.parameters(), *graph.buffers()])
