"""ONNX files."""

from dataclasses import replace
from pathlib import Path

import onnx
import torch
from torch import nn

from detectory.export.description import KEY, Description
from detectory.export.digest import check_seal, seal
from detectory.export.exported_model import RunGraph
from detectory.export.formats.format import Format
from detectory.export.formats.onnx_operators import onnx_translations
from detectory.export.formats.onnx_runtime import OnnxGraph
from detectory.export.formats.settings import ExportSettings
from detectory.export.inference_graph import InferenceGraph
from detectory.export.recording import record, smallest_side

STABLE_ONNX_OPSET_VERSION = 18
"""ONNX opset version of the exported files."""

MAX_FILE_SIZE = 2**31
"""Size limit of a protocol buffer message, and therefore of an ONNX file, in bytes."""

_IR_VERSION_FIELD = b"\x08"
"""First byte of an ONNX file: the key of the field `ir_version`."""


class Onnx(Format):
    """A file of standard ONNX operators for onnxruntime and other runtimes."""

    name = "onnx"
    title = "ONNX"
    suffix = ".onnx"
    modules = ("onnx", "onnxruntime", "onnxscript")

    def write(self, graph: InferenceGraph, settings: ExportSettings, description: Description, path: Path) -> None:
        """Record the graph, translate it and save the file."""
        _check_size(graph)
        program = record(graph, settings)
        _check_operators(program)
        exported = torch.onnx.export(
            program,
            input_names=list(graph.input_names),
            output_names=list(graph.output_names),
            opset_version=STABLE_ONNX_OPSET_VERSION,
            custom_translation_table=onnx_translations(),
            verbose=False,
        )
        assert exported is not None  # without a path the exporter returns the program
        proto = exported.model_proto
        description = replace(description, smallest_side=smallest_side(program))
        onnx.helper.set_model_props(proto, {KEY: description.to_json()})
        path.write_bytes(proto.SerializeToString())
        seal([path])

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
        check_seal([path], description.digest)
        return graph, description


def _check_operators(program: torch.export.ExportedProgram) -> None:
    ours = {node.target for node in program.graph.nodes if getattr(node.target, "namespace", "") == "detectory"}
    names = sorted(target.name().split("::")[-1] for target in ours - onnx_translations().keys())
    if names:
        raise ValueError(
            f"export: detectory.ops.{names[0]} does not have an ONNX equivalent. Use format='torch-export' instead"
        )


def _check_size(graph: nn.Module) -> None:
    size = sum(tensor.nbytes for tensor in [*graph.parameters(), *graph.buffers()])
    if size >= MAX_FILE_SIZE:
        raise ValueError(f"export: an ONNX file is limited to 2 GB, the model has {size} bytes of weights")
