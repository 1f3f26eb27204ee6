"""Layers of an ONNX graph that can be quantised, and the tensors between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import onnx

LAYERS = ("Conv", "Gemm")
"""Operators with weights that are computed in int8."""

SAME_RANGE = ("MaxPool", "Resize")
"""Operators that select values: their results have the scale of their inputs."""


@dataclass(frozen=True)
class Layer:
    """A convolution or fully connected layer.

    Args:
        index: Position of the node in the graph.
        weight: Name of the weight, which begins with the path of the module.
        group: Name of the part of the model that the layer belongs to, such as `backbone.bottom_up.res4`.
    """

    index: int
    weight: str
    group: str


def find_layers(graph: onnx.GraphProto) -> list[Layer]:
    """Return the layers with constant weights, in the order of the graph."""
    constants = {entry.name for entry in graph.initializer}
    return [
        Layer(index, node.input[1], group_of(node.input[1]))
        for index, node in enumerate(graph.node)
        if node.op_type in LAYERS and node.input[1] in constants and _is_plain(node)
    ]


def _is_plain(node: onnx.NodeProto) -> bool:
    """Return whether a fully connected layer computes `x @ w.T + b`; convolutions always qualify."""
    values = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
    scaled = values.get("alpha", 1.0) != 1.0 or values.get("beta", 1.0) != 1.0
    return node.op_type == "Conv" or (values.get("transB", 0) == 1 and not values.get("transA", 0) and not scaled)


def group_of(weight: str) -> str:
    """Return the part of the model that a weight belongs to.

    Example:
        >>> group_of("model.backbone.bottom_up.res4.0.conv1.weight")
        'backbone.bottom_up.res4'
        >>> group_of("model.backbone.fpn_lateral3.weight")
        'backbone.fpn_lateral'
    """
    parts = weight.removeprefix("model.").split(".")
    depth = 3 if parts[:2] == ["backbone", "bottom_up"] else 2
    names = parts[: min(depth, max(len(parts) - 1, 1))]
    return ".".join([*names[:-1], names[-1] if depth == 3 else names[-1].rstrip("0123456789")])


def quantized_tensors(graph: onnx.GraphProto, layers: Sequence[Layer]) -> dict[str, str]:
    """Return the activations that are int8 if the layers are, each with the tensor that determines its range.

    These are the inputs and results of the layers, after a ReLU if one follows, and the results of additions, maximum
    pooling and nearest-neighbor resizing of such tensors, so that a backbone does not leave int8 between its layers.
    """
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    outputs = {entry.name for entry in graph.output}
    chosen = {layer.index for layer in layers}
    sources: dict[str, str] = {}
    for index, node in enumerate(graph.node):
        result = _after_relu(node.output[0], consumers, outputs) if node.output else ""
        if index in chosen:
            sources.setdefault(node.input[0], node.input[0])
            if node.op_type == "Conv":  # the results of fully connected layers stay float
                sources[result] = result
        elif node.op_type == "Add" and all(name in sources for name in node.input):
            sources[result] = result
        elif node.op_type in SAME_RANGE and node.input[0] in sources and _selects(node):
            sources[node.output[0]] = sources[node.input[0]]
    return {name: source for name, source in sources.items() if name not in outputs}


def measured_tensors(graph: onnx.GraphProto, layers: Sequence[Layer]) -> list[str]:
    """Return the tensors with a range if all or some of the layers are int8, sorted."""
    tensors = quantized_tensors(graph, layers)
    return sorted({*tensors, *tensors.values()})


def _selects(node: onnx.NodeProto) -> bool:
    modes = [entry.s for entry in node.attribute if entry.name == "mode"]
    return len(node.output) == 1 and (node.op_type != "Resize" or modes in ([], [b"nearest"]))


def _after_relu(name: str, consumers: dict[str, list[onnx.NodeProto]], outputs: set[str]) -> str:
    users = consumers.get(name, [])
    if name not in outputs and len(users) == 1 and users[0].op_type == "Relu":
        return users[0].output[0]
    return name
