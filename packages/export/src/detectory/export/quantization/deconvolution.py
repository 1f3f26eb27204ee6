"""Transposed convolutions as convolutions, because runtimes do not compute transposed convolutions in int8."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper


def replace_deconvolutions(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace transposed convolutions with a stride equal to the kernel by 1x1 convolutions, with equal results.

    Without overlaps, every input cell determines a block of outputs. A convolution computes the values of the block as
    channels, and `DepthToSpace` moves them to their positions, after a ReLU if one follows.

    Args:
        model: The model; it is not modified.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    constants = {entry.name: entry for entry in graph.initializer}
    uses = Counter(name for node in graph.node for name in node.input)
    relus = {node.input[0]: node for node in graph.node if node.op_type == "Relu" and uses[node.input[0]] == 1}
    nodes: list[onnx.NodeProto] = []
    moved = set()
    for node in graph.node:
        if node.op_type == "ConvTranspose" and _is_blockwise(node, constants):
            relu = relus.get(node.output[0])
            nodes += _blockwise(node, relu, graph, constants)
            moved.add("" if relu is None else relu.output[0])
        elif not node.output or node.output[0] not in moved:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    return result


def _is_blockwise(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> bool:
    """Return whether the blocks of outputs of neighboring cells touch, but do not overlap."""
    if any(name and name not in constants for name in node.input[1:]):
        return False
    values = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    kernel = list(constants[node.input[1]].dims[2:])
    is_plain = values.get("group", 1) == 1 and values.get("auto_pad", b"NOTSET") == b"NOTSET"
    zeros = [*values.get("pads", []), *values.get("output_padding", [])]
    strides, dilations = list(values.get("strides", [1, 1])), values.get("dilations", [1, 1])
    is_square = len(kernel) == 2 and kernel[0] == kernel[1] > 1
    return is_plain and is_square and strides == kernel and not any(zeros) and set(dilations) == {1}


def _blockwise(
    node: onnx.NodeProto, relu: onnx.NodeProto | None, graph: onnx.GraphProto, constants: dict[str, onnx.TensorProto]
) -> list[onnx.NodeProto]:
    """Return the nodes that replace a transposed convolution and the ReLU after it; their constants are added."""
    weight = numpy_helper.to_array(constants[node.input[1]])  # (C_in, C_out, k, k)
    side, result = weight.shape[2], node.output[0]
    inputs = [node.input[0], f"{node.input[1]}_blocks"]
    arrays: dict[str, np.ndarray] = {inputs[1]: weight.transpose(1, 2, 3, 0).reshape(-1, weight.shape[0], 1, 1)}
    if len(node.input) > 2:
        inputs.append(f"{node.input[2]}_blocks")
        arrays[inputs[2]] = numpy_helper.to_array(constants[node.input[2]]).repeat(side * side)
    for name, array in arrays.items():
        if name not in constants:
            constants[name] = numpy_helper.from_array(array.copy(), name)
            graph.initializer.append(constants[name])
    nodes = [helper.make_node("Conv", inputs, [f"{result}_blocks"], kernel_shape=[1, 1])]
    if relu is not None:
        result = relu.output[0]
        nodes.append(helper.make_node("Relu", nodes[0].output, [f"{result}_blocks"]))
    nodes.append(helper.make_node("DepthToSpace", nodes[-1].output, [result], blocksize=side, mode="CRD"))
    return nodes
