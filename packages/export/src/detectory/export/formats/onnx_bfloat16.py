"""Weights stored in bfloat16, which halves the size of an ONNX file."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MIN_ELEMENTS = 1024
"""Smaller tensors, such as biases and constants of the box decoding, stay float32."""


def store_weights_as_bfloat16(model: onnx.ModelProto) -> None:
    """Round the large float32 weights to bfloat16, each followed by a cast to float32, in place.

    Runtimes fold the casts when they load the file and compute in float32: onnxruntime does not implement bfloat16
    convolutions for CPUs.
    """
    graph = model.graph
    casts = []
    for weight in graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < MIN_ELEMENTS:
            continue
        name, dims = weight.name, list(weight.dims)
        bits = np.ascontiguousarray(numpy_helper.to_array(weight), np.float32).view(np.uint32)
        rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)  # to nearest, ties to even
        weight.CopyFrom(helper.make_tensor(f"{name}_bfloat16", TensorProto.BFLOAT16, dims, rounded.tobytes(), raw=True))
        casts.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    for position, node in enumerate(casts):
        graph.node.insert(position, node)
