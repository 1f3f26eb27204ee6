"""OpenVINO models (`.xml` with `.bin`), converted from ONNX."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from detectory.export.description import KEY, UNSEALED, Description
from detectory.export.digest import check_seal, seal
from detectory.export.exported_model import RunGraph
from detectory.export.formats.format import Format
from detectory.export.formats.onnx_format import Onnx
from detectory.export.formats.settings import ExportSettings
from detectory.export.inference_graph import InferenceGraph

_PRECISIONS = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}
"""Values of OpenVINO's `INFERENCE_PRECISION_HINT`. Its default is bfloat16 on processors with such instructions."""


class OpenVINO(Format):
    """A model for OpenVINO's runtime; the weights are in a `.bin` file with the same stem."""

    name = "openvino"
    title = "OpenVINO"
    suffix = ".xml"
    modules = ("openvino", "onnx", "onnxruntime", "onnxscript")
    extra = "openvino"
    dtypes = ("float32", "float16", "bfloat16", "int8")

    def unsupported(self, model: nn.Module, settings: ExportSettings) -> str | None:
        """Return a reason also if the model cannot be exported to ONNX."""
        return super().unsupported(model, settings) or Onnx().unsupported(model, replace(settings, dtype="float32"))

    def graph_dtype(self, dtype: str) -> str:
        """Return float32: OpenVINO chooses the type of each operation when it loads the model."""
        return "float32"

    def write(self, graph: InferenceGraph, settings: ExportSettings, description: Description, path: Path) -> None:
        """Export to ONNX and convert the file."""
        import openvino

        with tempfile.TemporaryDirectory() as folder:
            onnx_file = Path(folder) / "model.onnx"
            dtype = "int8" if settings.dtype == "int8" else "float32"
            Onnx().write(graph, replace(settings, dtype=dtype), description, onnx_file)
            model = openvino.convert_model(str(onnx_file))
            written = Description.from_json(model.get_rt_info(["framework", KEY]).astype(str), str(path))
            model.set_rt_info(replace(written, dtype=settings.dtype, digest=UNSEALED).to_json(), [KEY])
            openvino.save_model(model, str(path), compress_to_fp16=settings.dtype in ("float16", "bfloat16"))
        seal([path, path.with_suffix(".bin")])

    def recognizes(self, path: Path) -> bool:
        """Whether the file starts like an OpenVINO model."""
        with path.open("rb") as file:
            return b"<net " in file.read(200)

    def load(self, path: Path, device: torch.device) -> tuple[RunGraph, Description]:
        """Load the model in OpenVINO's CPU plugin."""
        import openvino

        core = openvino.Core()
        try:
            model = core.read_model(str(path))
        except RuntimeError as error:
            raise ValueError(f"load: {path} is not a readable OpenVINO model, or truncated") from error
        if not model.has_rt_info([KEY]):
            raise ValueError(f"load: {path} does not contain {KEY}. Was the file written by detectory.export?")
        description = Description.from_json(model.get_rt_info([KEY]).astype(str), str(path))
        check_seal([path, path.with_suffix(".bin")], description.digest)
        precision = _PRECISIONS.get(description.dtype, "f32")
        options: Any = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        compiled = core.compile_model(model, "CPU", options)

        def run_graph(inputs: tuple[Tensor, ...]) -> Sequence[Tensor]:
            results = compiled([tensor.detach().cpu().numpy() for tensor in inputs])
            return [torch.from_numpy(results[port].copy()) for port in compiled.outputs]

        return run_graph, description
