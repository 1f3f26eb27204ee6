"""`load`: exported files as predictors."""

import os
from pathlib import Path

import torch

from detectory.data.classes import ClassList
from detectory.data.transforms import Augmentation, ResizeShortestEdge
from detectory.engine.inference.predictor import Predictor
from detectory.export.description import Description
from detectory.export.exported_model import ExportedModel
from detectory.export.fixed_size import FitWithin
from detectory.export.formats import detect_format


def load(path: str | os.PathLike[str], device: str | torch.device = "cpu") -> Predictor:
    """Load a file written by `export`, whatever its format.

    Args:
        path: The exported file.
        device: Device to run on. Only formats of torch support devices other than the CPU.

    Returns:
        A `Predictor`: `predict(image)` returns `Instances` in the coordinates of the original image, and calling the
        predictor returns all outputs. Its `model` is an `ExportedModel`, which evaluators accept in place of the
        original.

    Raises:
        FileNotFoundError: If the file does not exist.
        ImportError: If the runtime of the format is not installed.
        ValueError: If the format is not supported, or the file was not written by this package or was changed.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"load: file {file} does not exist")
    chosen = detect_format(file)
    chosen.require()
    run_graph, description = chosen.load(file, torch.device(device))
    model = ExportedModel(run_graph, description)
    classes = ClassList.from_state(description.classes)
    return Predictor(model, resize_rule(description), channels_last=False, classes=classes)


def resize_rule(description: Description) -> Augmentation:
    """Return how images are resized for an exported graph."""
    if description.height:
        return FitWithin(description.height, description.width)
    return ResizeShortestEdge(description.shortest_side, description.longest_side)
