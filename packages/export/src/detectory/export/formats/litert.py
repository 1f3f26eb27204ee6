"""LiteRT models (`.tflite`) for phones, embedded devices and programs that use TensorFlow Lite."""

from pathlib import Path

import torch

from detectory.export.description import Description
from detectory.export.environments import LITERT
from detectory.export.exported_model import RunGraph
from detectory.export.formats.dense_format import DenseFormat, selecting
from detectory.export.runtime.litert import LiteRTGraph
from detectory.export.trailer import has_identifier, read_description


class LiteRT(DenseFormat):
    """A one-stage detector up to the boxes and scores of all anchors."""

    name = "litert"
    title = "LiteRT"
    suffix = ".tflite"
    modules = ("ai_edge_litert",)
    extra = "litert"
    environment = LITERT

    def recognizes(self, path: Path) -> bool:
        """Whether the file is a flatbuffer of a LiteRT model."""
        return has_identifier(path, b"TFL3")

    def load(self, path: Path, device: torch.device) -> tuple[RunGraph, Description]:
        """Load the model in LiteRT's interpreter."""
        content, description = read_description(path)
        return selecting(LiteRTGraph(content, torch.get_num_threads()), description), description
