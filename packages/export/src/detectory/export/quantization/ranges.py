"""Ranges of activations, measured by running a graph on calibration images."""

from collections.abc import Iterable, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper


def measure_ranges(
    model: onnx.ModelProto, tensors: Iterable[str], inputs: Sequence[np.ndarray]
) -> dict[str, tuple[float, float]]:
    """Return the minimum and maximum of tensors, each averaged over the images.

    The average ignores part of the extreme values of single images, so that all others have a finer scale. Ranges
    contain 0, and are (0, 0) for tensors that are empty for all images.

    Args:
        model: The float32 model with one input.
        tensors: Names of float32 tensors of the graph.
        inputs: The input for each image.
    """
    import onnxruntime

    names = list(tensors)
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    graph = observed.graph
    graph.initializer.append(helper.make_tensor("observer_zero", TensorProto.FLOAT, [1], [0.0]))
    graph.initializer.append(helper.make_tensor("observer_flat", TensorProto.INT64, [1], [-1]))
    del graph.output[:]
    for number, name in enumerate(names):
        graph.node.append(helper.make_node("Reshape", [name, "observer_flat"], [f"observed_{number}_flat"]))
        # With a zero, a tensor without elements has a range as well.
        parts = [f"observed_{number}_flat", "observer_zero"]
        graph.node.append(helper.make_node("Concat", parts, [f"observed_{number}"], axis=0))
        for kind in ("Min", "Max"):
            result = f"observed_{number}_{kind}"
            graph.node.append(helper.make_node(f"Reduce{kind}", [f"observed_{number}"], [result], keepdims=0))
            graph.output.append(helper.make_tensor_value_info(result, TensorProto.FLOAT, []))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(observed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    image = session.get_inputs()[0].name
    extremes = np.array([session.run(None, {image: pixels}) for pixels in inputs], np.float64)
    lows, highs = extremes.mean(axis=0).reshape(-1, 2).T
    return {name: (float(low), float(high)) for name, low, high in zip(names, lows, highs, strict=True)}
