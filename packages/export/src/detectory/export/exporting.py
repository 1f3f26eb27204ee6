"""`export`: write a model in any format, verified against the original."""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from detectory.data.classes import ClassList
from detectory.data.transforms import ResizeShortestEdge
from detectory.engine.inference.predictor import Predictor
from detectory.engine.inference.trained_classes import trained_classes
from detectory.export.agreement import Agreement, Tolerance
from detectory.export.comparison import require_agreement
from detectory.export.describe import describe
from detectory.export.fixed_size import FitWithin, pad_to_size
from detectory.export.formats import ExportSettings, get_format
from detectory.export.inference_graph import InferenceGraph
from detectory.export.loading import load
from detectory.structures.model_formats import ModelInput

DTYPES = ("float32", "float16", "bfloat16", "int8")
"""Types of the weights and features of exported files."""


def export(
    model: nn.Module | Predictor,
    path: str | os.PathLike[str],
    inputs: Sequence[Any],
    *,
    format: str | None = None,
    height: int = 0,
    width: int = 0,
    batch: int = 1,
    dtype: str = "float32",
    calibration: Sequence[Any] = (),
    accuracy: Callable[[nn.Module], float] | None = None,
    max_ap_drop: float | None = None,
    resize: tuple[int, int] | None = None,
    classes: ClassList | None = None,
    tolerance: Tolerance | None = None,
) -> Agreement:
    """Export a model to a file and verify the file against the model.

    The graph takes images of any size and returns any number of detections before post-processing, unless the size is
    fixed. The file is written only after it has been loaded and its predictions for all inputs have been compared.

    Args:
        model: A model of `detectory.modeling.meta_arch` in evaluation mode, which is not modified, or a `Predictor`
            with its resizing and classes, such as `Predictor.from_run("run")`.
        path: The file to write.
        inputs: Real images that yield detections: model inputs, or for a `Predictor` anything that it accepts. The
            first one is recorded, all are compared.
        format: A key of `detectory.export.FORMATS`; by default the format with the suffix of `path`.
        height: Fixed height of the input, pixels; 0 for any height.
        width: Fixed width of the input, pixels; 0 for any width. Images are resized to fit, and padded.
        batch: Number of images per call; 0 for any number.
        dtype: Type of the weights and features: `"float32"`, `"float16"`, `"bfloat16"` or `"int8"`.
        calibration: Images that determine the ranges of int8 tensors, like `inputs`.
        accuracy: For int8, a function that returns the AP of a model with the interface of the original, in percent.
            The AP of the file before and after the conversion to int8 is stored in the file.
        max_ap_drop: Allowed drop of the AP in int8. The most sensitive parts of the model stay float32 if necessary.
        resize: Target of the shorter side and limit of the longer side for `load(path).predict`, pixels; by default
            those of the `Predictor`, or 800 and 1333.
        classes: Class names and category ids to store in the file; by default those of the model.
        tolerance: Maximum differences from the original; by default `Tolerance.for_dtype(dtype)`.

    Returns:
        The measured differences.

    Raises:
        ValueError: If the model is in training mode, the format does not support the model or the settings, `inputs`
            is empty, or the AP in int8 drops by more than `max_ap_drop`.
        TypeError: If the meta-architecture is not supported.
        ImportError: If a library of the format is not installed.
        ExportDisagreement: If the tolerance is exceeded; nothing is written.
    """
    target = Path(path)
    chosen = get_format(format, target)
    _check_numbers(height, width, batch, dtype)
    if isinstance(model, Predictor):
        resize = resize or resize_limits(model)
        classes = classes or model.classes
        inputs = [item if isinstance(item, dict) else model.prepare(item) for item in inputs]
        calibration = [item if isinstance(item, dict) else model.prepare(item) for item in calibration]
        model = model.model
    classes = classes or trained_classes(model)
    if not inputs:
        raise ValueError("export: inputs must contain at least one image, got none")
    graph = InferenceGraph(model, batch, chosen.graph_dtype(dtype))
    graph.inputs_of(inputs[:1])  # reports missing entries
    if height:
        inputs = [_fit(item, height, width, model) for item in inputs]
        calibration = [_fit(item, height, width, model) for item in calibration]
    settings = ExportSettings(inputs, height, width, batch, dtype, calibration, accuracy, max_ap_drop)
    reason = chosen.unsupported(model, settings)
    if reason is not None:
        raise ValueError(f"export: {reason}")
    chosen.require()
    graph.name_outputs(inputs[0])
    description = describe(model, graph, settings, resize or (800, 1333), classes)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=target.parent) as folder:
        staged = Path(folder) / target.name
        chosen.write(graph, settings, description, staged)
        limits = tolerance or Tolerance.for_dtype(dtype)
        agreement = require_agreement(model, load(staged).model, inputs, limits)
        # The file that refers to the others is moved last.
        for file in sorted(Path(folder).iterdir(), key=lambda file: file == staged):
            os.replace(file, target.with_name(file.name))
    return agreement


def resize_limits(predictor: Predictor) -> tuple[int, int]:
    """Return the target of the shorter side and the limit of the longer side of a predictor, in pixels.

    Raises:
        ValueError: If the predictor resizes images in another way.
    """
    rule = predictor.resize
    if isinstance(rule, FitWithin):
        return min(rule.height, rule.width), max(rule.height, rule.width)
    if not isinstance(rule, ResizeShortestEdge):
        raise ValueError(
            f"export: the predictor must resize with ResizeShortestEdge, got {type(rule).__name__}. Pass resize="
        )
    return int(rule.short_edge_length[0]), int(rule.max_size)


def _check_numbers(height: int, width: int, batch: int, dtype: str) -> None:
    if min(height, width, batch) < 0 or bool(height) != bool(width):
        raise ValueError(
            f"export: height and width must both be positive or both 0, and batch at least 0, "
            f"got height={height}, width={width}, batch={batch}"
        )
    if dtype not in DTYPES:
        raise ValueError(f"export: dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")


def _fit(item: ModelInput, height: int, width: int, model: Any) -> ModelInput:
    """Resize the image of a model input to fit into a size, and pad it."""
    pixels = item["image"].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()
    resized = FitWithin(height, width).get_transform(pixels).apply_image(pixels)
    image = item["image"].new_tensor(resized).permute(2, 0, 1).float()
    padded: Any = {"image": pad_to_size(image, height, width, model.pixel_mean.flatten().tolist())}
    if "file_name" in item:
        padded["file_name"] = item["file_name"]
    return padded
