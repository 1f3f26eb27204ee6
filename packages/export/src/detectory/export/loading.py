"""`load`: exported files as predictors."""

import os
from pathlib import Path

from detectory.data.classes import ClassList
from detectory.data.transforms import ResizeShortestEdge
from detectory.engine.inference.predictor import Predictor
from detectory.export.description import KEY, Description
from detectory.export.exported_model import ExportedModel, RunGraph
from detectory.export.formats.onnx_runtime import OnnxGraph
from detectory.export.formats.torch_program import load_program


def load(path: str | os.PathLike[str]) -> Predictor:
    """Load a file written by `export_onnx` or `export_torch`.

    Args:
        path: A `.onnx` or `.pt2` file.

    Returns:
        A `Predictor` on the CPU: `predict(image)` returns `Instances` in the coordinates of the original image, and
        calling the predictor returns all outputs. Its `model` is an `ExportedModel`, which evaluators accept in place
        of the original.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the format is not supported, or the file was not written by this package.
    """
    name = os.fspath(path)
    graph: RunGraph
    text: str | None
    if not Path(name).is_file():
        raise FileNotFoundError(f"load: file {name} does not exist")
    suffix = Path(name).suffix
    if suffix == ".onnx":
        graph = onnx_graph = OnnxGraph(name)
        text = onnx_graph.metadata.get(KEY)
    elif suffix == ".pt2":
        graph, text = load_program(name)
    else:
        raise ValueError(
            f"load: path must end in .onnx or .pt2, got {name}. "
            "OpenVINO, AOTInductor and TorchScript files are not supported"
        )
    if not text:
        raise ValueError(f"load: {name} does not contain {KEY}. Was the file written by detectory.export?")
    description = Description.from_json(text, name)
    resize = ResizeShortestEdge(description.shortest_side, description.longest_side)
    classes = ClassList.from_state(description.classes)
    return Predictor(ExportedModel(graph, description), resize, channels_last=False, classes=classes)
