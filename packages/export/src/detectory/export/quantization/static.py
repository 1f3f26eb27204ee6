"""`quantize_statically`: int8 models by calibration, with sensitive parts kept in float32."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx

from detectory.export.quantization.deconvolution import replace_deconvolutions
from detectory.export.quantization.layers import Layer, find_layers, measured_tensors
from detectory.export.quantization.qdq import quantize
from detectory.export.quantization.ranges import measure_ranges
from detectory.export.quantization.sensitivity import measure_costs

_logger = logging.getLogger(__name__)

MAX_COST = 0.1
"""Parts with a higher cost stay float32 if no accuracy is measured."""

SWEEP_IMAGES = 4
"""Number of images for measuring the cost of each part."""

MAX_TRIALS = 4
"""Number of measurements of the accuracy; after each, the most sensitive part is kept in float32."""

Accuracy = Callable[[onnx.ModelProto], float]


@dataclass
class QuantizationReport:
    """What was quantised.

    Args:
        costs: `disagreement` with the float model for each part of the model alone, highest first.
        float_parts: Parts that stay float32.
        ap: AP of the float32 model and of the int8 model, in percent; empty if it was not measured.
    """

    costs: dict[str, float] = field(default_factory=dict)
    float_parts: list[str] = field(default_factory=list)
    ap: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        costs = {name: round(cost, 4) for name, cost in self.costs.items()}
        return {"costs": costs, "float_parts": self.float_parts, "ap": self.ap}


def quantize_statically(
    model: onnx.ModelProto,
    inputs: Sequence[np.ndarray],
    accuracy: Accuracy | None = None,
    max_drop: float | None = None,
) -> tuple[onnx.ModelProto, QuantizationReport]:
    """Quantise the convolutions and fully connected layers of a model after training.

    Args:
        model: A float32 model for one image; it is not modified.
        inputs: Images for calibration, resized, at least one.
        accuracy: Returns the AP of a model in percent. Without it, parts with a cost above `MAX_COST` stay float32.
        max_drop: Allowed drop of the AP. The most sensitive parts are kept in float32 until the drop is small enough.

    Returns:
        The int8 model and a report.

    Raises:
        ValueError: If there are no images or no layers, or the AP drops by more than `max_drop`; the message lists the
            most sensitive parts.
    """
    model = replace_deconvolutions(model)
    layers = find_layers(model.graph)
    if not inputs or not layers:
        missing = "calibration images" if layers else "convolutions with constant weights"
        raise ValueError(f"export: int8 needs {missing}, got none. Pass a dataset with --data or calibration=")
    ranges = measure_ranges(model, measured_tensors(model.graph, layers), inputs)
    report = QuantizationReport(measure_costs(model, ranges, layers, inputs[:SWEEP_IMAGES]))
    if accuracy is None:
        report.float_parts = [name for name, cost in report.costs.items() if cost > MAX_COST]
        return quantize(model, ranges, _without(layers, report.float_parts)), report
    report.ap["float32"] = accuracy(model)
    for trial in range(MAX_TRIALS):
        result = quantize(model, ranges, _without(layers, report.float_parts))
        report.ap["int8"] = accuracy(result)
        drop = report.ap["float32"] - report.ap["int8"]
        _logger.info("int8 without %s: AP %.2f, drop %.2f", report.float_parts or "exceptions", report.ap["int8"], drop)
        if max_drop is None or drop <= max_drop:
            return result, report
        report.float_parts = list(report.costs)[: trial + 1]
    worst = ", ".join(f"{name} ({cost:.3f})" for name, cost in list(report.costs.items())[:5])
    raise ValueError(
        f"export: the AP drops by {drop:.2f} from {report.ap['float32']:.2f} in int8, allowed {max_drop:g}, although "
        f"the {MAX_TRIALS - 1} most sensitive parts are float32. Most sensitive parts: {worst}"
    )


def _without(layers: Sequence[Layer], groups: Sequence[str]) -> list[Layer]:
    return [layer for layer in layers if layer.group not in groups]
