"""Insertion of QuantizeLinear and DequantizeLinear nodes (QDQ), which runtimes fuse with layers to int8 kernels."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from detectory.export.quantization.layers import Layer, quantized_tensors

Ranges = Mapping[str, tuple[float, float]]


def quantize(model: onnx.ModelProto, ranges: Ranges, layers: Sequence[Layer]) -> onnx.ModelProto:
    """Return a model that computes the given layers in int8.

    Activations are uint8 with one scale per tensor, weights are int8 with one scale per output channel, and biases are
    int32.

    Args:
        model: The float32 model; it is not modified.
        ranges: The range of each tensor of `measured_tensors`.
        layers: The layers to quantise.

    Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
        Inference", 2018; Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference", 2018, for
        the scales per channel.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    writer = _Writer(result.graph)
    tensors = {name: ranges[source] for name, source in quantized_tensors(model.graph, layers).items()}
    chosen = {layer.index for layer in layers}
    nodes = []
    produced = {name for node in model.graph.node for name in node.output}
    for name, limits in tensors.items():
        if name not in produced:
            nodes += writer.activation(name, *limits)
    for index, node in enumerate(model.graph.node):
        copied = onnx.NodeProto()
        copied.CopyFrom(node)
        for position, name in enumerate(copied.input):
            if name in tensors:
                copied.input[position] = f"{name}_dequantized"
        if index in chosen:
            nodes += writer.weights(copied, node.input[0])
        nodes.append(copied)
        for name in node.output:
            if name in tensors:
                nodes += writer.activation(name, *tensors[name])
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    writer.remove_unused_weights()
    return result


class _Writer:
    """Adds constants to a graph and creates the nodes that use them."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.constants = {entry.name: entry for entry in graph.initializer}
        self.scales: dict[str, float] = {}
        self.weight_scales: dict[str, np.ndarray] = {}

    def activation(self, name: str, low: float, high: float) -> list[onnx.NodeProto]:
        scale = np.float32((high - low) / 255) if high > low else np.float32(1)
        self.scales[name] = float(scale)
        self._add(f"{name}_scale", scale)
        self._add(f"{name}_zero_point", np.array(np.clip(round(-low / float(scale)), 0, 255), np.uint8))
        parameters = [f"{name}_scale", f"{name}_zero_point"]
        return [
            helper.make_node("QuantizeLinear", [name, *parameters], [f"{name}_quantized"]),
            helper.make_node("DequantizeLinear", [f"{name}_quantized", *parameters], [f"{name}_dequantized"]),
        ]

    def weights(self, node: onnx.NodeProto, source: str) -> list[onnx.NodeProto]:
        """Replace the weight and bias of a layer by quantised ones; return the nodes that dequantise them."""
        weight, nodes = node.input[1], []
        if weight not in self.weight_scales:
            values = numpy_helper.to_array(self.constants[weight])
            scale = np.abs(values.reshape(len(values), -1)).max(axis=1) / 127
            scale = np.where(scale > 0, scale, 1).astype(np.float32)
            rounded = np.round(values / scale.reshape(-1, *[1] * (values.ndim - 1)))
            self.weight_scales[weight] = scale
            self._add(f"{weight}_quantized", rounded.astype(np.int8))
            self._add(f"{weight}_scale", scale)
            self._add(f"{weight}_zero_point", np.zeros(len(scale), np.int8))
            nodes.append(self._dequantize(weight, f"{weight}_dequantized"))
        node.input[1] = f"{weight}_dequantized"
        if len(node.input) > 2 and node.input[2] in self.constants:
            bias, own = node.input[2], f"{node.input[2]}_of_{source}"
            scale = self.weight_scales[weight] * np.float32(self.scales[source])
            rounded = np.round(numpy_helper.to_array(self.constants[bias]).astype(np.float64) / scale)
            limits = np.iinfo(np.int32)
            self._add(f"{own}_quantized", rounded.clip(limits.min, limits.max).astype(np.int32))
            self._add(f"{own}_scale", scale)
            self._add(f"{own}_zero_point", np.zeros(len(scale), np.int32))
            nodes.append(self._dequantize(own, f"{own}_dequantized_for_{node.output[0]}"))
            node.input[2] = nodes[-1].output[0]
        return nodes

    def _dequantize(self, name: str, output: str) -> onnx.NodeProto:
        inputs = [f"{name}_quantized", f"{name}_scale", f"{name}_zero_point"]
        return helper.make_node("DequantizeLinear", inputs, [output], axis=0)

    def _add(self, name: str, values: np.ndarray | np.float32) -> None:
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.asarray(values), name)
            self.graph.initializer.append(self.constants[name])

    def remove_unused_weights(self) -> None:
        used = {name for node in self.graph.node for name in _inputs(node)}
        kept = [entry for entry in self.graph.initializer if entry.name in used]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)


def _inputs(node: onnx.NodeProto) -> list[str]:
    """Return the inputs of a node, including those of its subgraphs."""
    names = list(node.input)
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            names += [name for inner in attribute.g.node for name in _inputs(inner)]
            names += [entry.name for entry in attribute.g.output]
    return names


def is_quantized(model: onnx.ModelProto) -> bool:
    """Return whether a model has int8 weights."""
    return any(entry.data_type == TensorProto.INT8 for entry in model.graph.initializer)
