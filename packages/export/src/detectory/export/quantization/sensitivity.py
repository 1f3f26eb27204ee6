"""The cost of quantising each part of a model, measured by the change of its predictions."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from detectory.export.quantization.layers import Layer
from detectory.export.quantization.qdq import Ranges, quantize

Outputs = list[dict[str, np.ndarray]]


def run_model(model: onnx.ModelProto, inputs: Sequence[np.ndarray]) -> Outputs:
    """Return the outputs of a model by name, for each input."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    image, names = session.get_inputs()[0].name, [entry.name for entry in session.get_outputs()]
    return [dict(zip(names, session.run(None, {image: pixels}), strict=True)) for pixels in inputs]


def measure_costs(
    model: onnx.ModelProto, ranges: Ranges, layers: Sequence[Layer], inputs: Sequence[np.ndarray]
) -> dict[str, float]:
    """Return the `disagreement` with the float model if only one part of the model is int8, highest first.

    Args:
        model: The float32 model.
        ranges: Ranges of its activations.
        layers: All layers.
        inputs: Images to compare.
    """
    expected = run_model(model, inputs)
    costs = {}
    for group in dict.fromkeys(layer.group for layer in layers):
        own = [layer for layer in layers if layer.group == group]
        costs[group] = disagreement(expected, run_model(quantize(model, ranges, own), inputs))
    return dict(sorted(costs.items(), key=lambda entry: -entry[1]))


def disagreement(expected: Outputs, results: Outputs) -> float:
    """Return how much predictions changed, from 0 (equal) to 1, averaged over the images.

    Detections: one minus the sum of `IoU * min(scores)` of matched detections over the sum of the higher scores of
    matched and the scores of unmatched detections. Semantic segmentation: the fraction of pixels with another class.
    """
    return float(np.mean([_disagreement(*pair) for pair in zip(expected, results, strict=True)]))


def _disagreement(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> float:
    parts = []
    if "sem_seg" in first:
        parts.append(float((first["sem_seg"].argmax(axis=0) != second["sem_seg"].argmax(axis=0)).mean()))
    if "scores" in first:
        parts.append(1 - _weighted_overlap(first, second))
    return max(parts, default=0.0)


def _weighted_overlap(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> float:
    overlaps = _iou(first["pred_boxes"][:, :4], second["pred_boxes"][:, :4])
    overlaps *= first["pred_classes"][:, None] == second["pred_classes"]
    common, total = 0.0, float(first["scores"].sum() + second["scores"].sum())
    for row, score in enumerate(first["scores"]):
        column = int(overlaps[row].argmax()) if overlaps.shape[1] else 0
        if overlaps.shape[1] and overlaps[row, column] > 0.5:
            low = min(float(score), float(second["scores"][column]))
            common += overlaps[row, column] * low
            total -= low  # a matched pair counts once, with its higher score
            overlaps[:, column] = 0
    return common / total if total > 0 else 1.0


def _iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1] - common
    return np.where(union > 0, common / np.maximum(union, 1e-9), 0)
