"""Exported files as predictors."""

from __future__ import annotations

import os
from pathlib import Path

from detectory.data.transforms import ResizeShortestEdge
from detectory.engine.predictor import Predictor

from .description import KEY, Description
from .exported_model import ExportedModel, RunGraph
from .onnx_export import OnnxGraph
from .torch_export import load_program


def load(path: str | os.PathLike[str]) -> Predictor:
    """Load a file that `export_onnx` or `export_torch` wrote.

    Args:
        path: `.onnx` or `.pt2`.

    Returns:
        A `Predictor` on the CPU: `predict(picture)` gives `Instances` in the picture's pixels, calling it gives all
        outputs. Its `model` is an `ExportedModel`, which evaluators take in place of the original.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is of another kind, or was not written by this package.
    """
    name = os.fspath(path)
    graph: RunGraph
    text: str | None
    if not Path(name).is_file():
        raise FileNotFoundError(f"load: no file {name}")
    suffix = Path(name).suffix
    if suffix == ".onnx":
        graph = onnx_graph = OnnxGraph(name)
        text = onnx_graph.metadata.get(KEY)
    elif suffix == ".pt2":
        graph, text = load_program(name)
    else:
        raise ValueError(
            f"load: knows .onnx and .pt2 (OpenVINO, AOTInductor and TorchScript files are not supported), got {name}"
        )
    if not text:
        raise ValueError(f"load: {name} has no {KEY}; was it written by detectory.export?")
    description = Description.from_json(text, name)
    resize = ResizeShortestEdge(description.shortest_side, description.longest_side)
    return Predictor(ExportedModel(graph, description), resize, channels_last=False)
