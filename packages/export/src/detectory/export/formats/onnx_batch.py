"""ONNX graphs for batches of any size: the graph of one image in a loop over the batch."""

import onnx
from onnx import TensorProto, helper

INDEX = "image_index"
"""Name of the output with the image of each detection."""


def loop_over_images(model: onnx.ModelProto) -> onnx.ModelProto:
    """Convert a graph for one image `image` (C, H, W) to a graph for `images` (B, C, H, W) with any B.

    Detections of all images are concatenated, with the additional output `image_index` (N,) int64; semantic scores are
    stacked. Each image is computed alone, so that its results do not depend on the rest of the batch.

    Args:
        model: The model with the only input `image`; it is modified.
    """
    graph = model.graph
    image = graph.input[0]
    batch = onnx.ValueInfoProto()
    batch.CopyFrom(image)
    batch.name = "images"
    shape = batch.type.tensor_type.shape
    dimensions = [onnx.TensorShapeProto.Dimension(dim_param="batch"), *shape.dim]
    del shape.dim[:]
    shape.dim.extend(dimensions)
    outputs = {entry.name: entry for entry in graph.output}
    stacked = [name for name in outputs if name == "sem_seg"]
    joined = [name for name in outputs if name != "sem_seg"]
    body = _body(graph, joined, stacked)
    starts, nodes = [], [helper.make_node("Shape", ["images"], ["batch_shape"], start=0, end=1)]
    nodes.append(helper.make_node("Squeeze", ["batch_shape"], ["batch_size"]))
    nodes.append(_constant("first_condition", TensorProto.BOOL, [], [True]))
    for name in joined:
        dims = [0, *(dim.dim_value for dim in outputs[name].type.tensor_type.shape.dim[1:])]
        starts.append(_constant(f"no_{name}", outputs[name].type.tensor_type.elem_type, dims, []))
    if joined:
        starts.append(_constant(f"no_{INDEX}", TensorProto.INT64, [0], []))
    states = [node.output[0] for node in starts]
    results = [*joined, *([INDEX] if joined else []), *stacked]
    loop = helper.make_node("Loop", ["batch_size", "first_condition", *states], results, body=body)
    final = [outputs[name] for name in outputs]
    if joined:
        final.append(helper.make_tensor_value_info(INDEX, TensorProto.INT64, ["detections"]))
    for name in stacked:
        dims = outputs[name].type.tensor_type.shape.dim
        shown = [dim.dim_value or dim.dim_param or None for dim in dims]
        final[list(outputs).index(name)] = helper.make_tensor_value_info(
            name, outputs[name].type.tensor_type.elem_type, ["batch", *shown]
        )
    whole = helper.make_graph([*nodes, *starts, loop], graph.name, [batch], final)
    model.graph.CopyFrom(whole)
    return model


def _body(graph: onnx.GraphProto, joined: list[str], stacked: list[str]) -> onnx.GraphProto:
    """Return the body of the loop: the nodes for one image, then the concatenation of its results to the states."""
    body = onnx.GraphProto()
    body.CopyFrom(graph)
    body.name = "one_image"
    del body.input[:], body.output[:]
    index = helper.make_tensor_value_info("index", TensorProto.INT64, [])
    condition = helper.make_tensor_value_info("condition", TensorProto.BOOL, [])
    body.input.extend([index, condition])
    body.output.append(helper.make_tensor_value_info("next_condition", TensorProto.BOOL, []))
    body.node.insert(0, helper.make_node("Gather", ["images", "index"], [graph.input[0].name], axis=0))
    body.node.append(helper.make_node("Identity", ["condition"], ["next_condition"]))
    types = {entry.name: entry.type.tensor_type.elem_type for entry in graph.output}
    ranks = {entry.name: len(entry.type.tensor_type.shape.dim) for entry in graph.output}
    for name in [*joined, *([INDEX] if joined else [])]:
        own = f"own_{INDEX}" if name == INDEX else name
        kind, rank = (TensorProto.INT64, 1) if name == INDEX else (types[name], ranks[name])
        if name == INDEX:
            body.node.append(helper.make_node("Shape", [joined[0]], ["own_count"], start=0, end=1))
            body.node.append(helper.make_node("Expand", ["index", "own_count"], [own]))
        body.input.append(helper.make_tensor_value_info(f"all_{name}", kind, [None] * rank))
        body.node.append(helper.make_node("Concat", [f"all_{name}", own], [f"next_{name}"], axis=0))
        body.output.append(helper.make_tensor_value_info(f"next_{name}", kind, [None] * rank))
    for name in stacked:
        body.output.append(helper.make_tensor_value_info(name, types[name], [None] * ranks[name]))
    return body


def _constant(name: str, kind: int, dims: list[int], values: list) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=helper.make_tensor(name, kind, dims, values))
