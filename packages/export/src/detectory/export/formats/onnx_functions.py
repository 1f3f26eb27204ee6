"""ONNX functions of operators that standard ONNX lacks: NMS and RoIAlign of rotated boxes.

An operator is first a node of the domain `detectory`. `inline_functions` replaces these nodes by the bodies of the
functions, so that the final model consists of standard operators. onnxscript compiles the functions; the loop over
regions is written in ONNX's text format, because onnxscript does not support loops with one output per iteration.
"""

# mypy: disable-error-code="no-untyped-def"

from typing import Any

import onnx
import onnx.inliner
import onnx.parser
from onnxscript import opset18, script, values

DOMAIN = values.Opset("detectory", 1)
op: Any = opset18

FLOAT, INT64, BOOL, DOUBLE = 1, 7, 9, 11  # onnx.TensorProto


@script(DOMAIN, default_opset=op)
def clipped_edges_rotated(boxes, margin: float):
    """Clip the edges of each box to every other box, enlarged by a fraction of its sides.

    Args:
        boxes: (N, 5) float64.
        margin: The fraction; negative to shrink.

    Returns:
        Element (i, j) for the edges of box i inside box j: the integral of the cross product of position and direction
        around the center of j, and the sum of the visible fractions of the four edges; both (N, N).
    """
    cx, cy, width, height, degrees = op.Split(boxes, num_outputs=5, axis=1)  # (N, 1)
    radians = degrees * 0.017453292519943295
    cos, sin = op.Cos(radians), op.Sin(radians)
    cos_j, sin_j = op.Transpose(cos), op.Transpose(sin)
    dx, dy = cx - op.Transpose(cx), cy - op.Transpose(cy)  # (N, N)
    # Coordinates in the frame of box j: the center of box i, and its rotation.
    center_u, center_v = cos_j * dx - sin_j * dy, sin_j * dx + cos_j * dy
    cosine, sine = cos * cos_j + sin * sin_j, sin * cos_j - cos * sin_j
    a, b = op.Unsqueeze(width, [0]) * 0.5, op.Unsqueeze(height, [0]) * 0.5  # (1, N, 1)
    none = a * 0.0
    start_u, start_v = op.Concat(-a, a, a, -a, axis=0), op.Concat(-b, -b, b, b, axis=0)  # (4, N, 1)
    step_u, step_v = op.Concat(2.0 * a, none, -2.0 * a, none, axis=0), op.Concat(none, 2.0 * b, none, -2.0 * b, axis=0)
    pu, pv = center_u + cosine * start_u + sine * start_v, center_v - sine * start_u + cosine * start_v  # (4, N, N)
    du, dv = cosine * step_u + sine * step_v, cosine * step_v - sine * step_u
    tiny = op.CastLike(1e-12, boxes)
    safe_u, safe_v = op.Where(op.Abs(du) < tiny, tiny, du), op.Where(op.Abs(dv) < tiny, tiny, dv)
    limit = (op.Transpose(width) + op.Transpose(height)) * margin
    limit_u, limit_v = op.Transpose(width) * 0.5 + limit, op.Transpose(height) * 0.5 + limit
    u1, u2 = (-limit_u - pu) / safe_u, (limit_u - pu) / safe_u
    v1, v2 = (-limit_v - pv) / safe_v, (limit_v - pv) / safe_v
    first = op.Max(op.Min(u1, u2), op.Min(v1, v2), op.CastLike(0.0, boxes))
    last = op.Min(op.Max(u1, u2), op.Max(v1, v2), op.CastLike(1.0, boxes))
    visible = op.Max(last - first, op.CastLike(0.0, boxes))
    moment = op.ReduceSum(visible * (pu * dv - pv * du), [0], keepdims=0)
    return moment, op.ReduceSum(visible, [0], keepdims=0)


@script(DOMAIN, default_opset=op)
def pairwise_iou_rotated(boxes):
    """Return the IoU (N, N) of all pairs of boxes (N, 5).

    The area of an intersection is the integral along its border (Green's theorem), which consists of the edges of each
    box inside the other. The margin makes common edges count once.
    """
    exact = op.Cast(boxes, to=DOUBLE)
    own, _ = clipped_edges_rotated(exact, margin=0.00001)
    _, other = clipped_edges_rotated(exact, margin=-0.00001)
    _, _, width, height, _ = op.Split(exact, num_outputs=5, axis=1)
    area = op.Max(width, op.CastLike(0.0, width)) * op.Max(height, op.CastLike(0.0, height))  # (N, 1)
    overlap = own * 0.5 + op.Transpose(other * area) * 0.25
    union = area + op.Transpose(area) - overlap
    positive = op.Greater(area * op.Transpose(area), op.CastLike(0.0, area))
    return op.Where(positive, overlap / union, op.CastLike(0.0, area))


@script(DOMAIN, default_opset=op)
def suppress_rotated(boxes, iou_threshold: float):
    """Return 1.0 for boxes kept by NMS and 0.0 for the others, (N,) float32; the boxes are sorted by score.

    A box is kept if no kept box before it overlaps it. Starting with all boxes, k repetitions of this rule decide at
    least the first k boxes finally; usually a few suffice for all.
    """
    overlap = op.Greater(pairwise_iou_rotated(boxes), op.Cast(iou_threshold, to=DOUBLE))
    earlier = op.Trilu(op.Cast(overlap, to=FLOAT), op.Constant(value_int=-1), upper=0)
    kept = op.Expand(op.Constant(value_floats=[1.0]), op.Shape(boxes, start=0, end=1))
    changed = op.Cast(op.Constant(value_int=1), to=BOOL)
    while changed:
        updated = op.Cast(op.Equal(op.MatMul(earlier, kept), 0.0), to=FLOAT)
        changed = op.Greater(op.ReduceSum(op.Abs(updated - kept), keepdims=0), 0.0)
        kept = updated
    return kept


@script(DOMAIN, default_opset=op)
def batched_nms_rotated(boxes, scores, idxs, iou_threshold: float):
    """Return the int64 indices of the kept boxes by descending score; only boxes of the same class compete."""
    _, order = op.TopK(scores, op.Shape(scores))
    ranked = op.Gather(boxes, order)
    classes = op.Gather(idxs, order)
    count = op.ReduceMax(op.Concat(classes, op.Constant(value_ints=[-1]), axis=0), keepdims=0) + 1
    kept = op.ConstantOfShape(op.Shape(scores))
    for label in range(count):
        members = op.Squeeze(op.NonZero(op.Equal(classes, label)), op.Constant(value_ints=[0]))
        kept = op.ScatterElements(kept, members, suppress_rotated(op.Gather(ranked, members), iou_threshold))
    return op.Gather(order, op.Squeeze(op.NonZero(kept), op.Constant(value_ints=[0])))


@script(DOMAIN, default_opset=op)
def pool_region_rotated(
    rows, roi, size, spatial_scale: float, pooled_height: int, pooled_width: int, sampling_ratio: int
):
    """Return the pooled features (C, pooled_height, pooled_width) of one rotated region.

    Args:
        rows: (B * H * W, C) float32, the features of all pixels.
        roi: (6,) float32, see `detectory.ops.roi_align_rotated`.
        size: (2,) int64, H and W.
        spatial_scale: Features per image pixel.
        pooled_height: Bins along the height of the region.
        pooled_width: Bins along the width of the region.
        sampling_ratio: Samples per bin and axis; 0 for about one per feature pixel.
    """
    image, cx, cy, width, height, degrees = op.Split(roi, num_outputs=6, axis=0)  # (1,)
    radians = degrees * 0.017453292519943295
    cos, sin = op.Cos(radians), op.Sin(radians)
    scale = op.Constant(value_float=spatial_scale)
    bins_y, bins_x = op.Constant(value_int=pooled_height), op.Constant(value_int=pooled_width)
    extent_y, extent_x = height * scale, width * scale
    ratio = op.Cast(op.Constant(value_int=sampling_ratio), to=FLOAT)
    adaptive_y, adaptive_x = (
        op.Ceil(extent_y / op.Cast(bins_y, to=FLOAT)),
        op.Ceil(extent_x / op.Cast(bins_x, to=FLOAT)),
    )
    samples_y = op.Max(op.Where(ratio > 0.0, ratio, adaptive_y), 1.0)
    samples_x = op.Max(op.Where(ratio > 0.0, ratio, adaptive_x), 1.0)
    count_y = op.Squeeze(op.Cast(samples_y, to=INT64)) * bins_y
    count_x = op.Squeeze(op.Cast(samples_x, to=INT64)) * bins_x
    index_y = op.Cast(op.Range(0, count_y, 1), to=FLOAT) + 0.5
    index_x = op.Cast(op.Range(0, count_x, 1), to=FLOAT) + 0.5
    across = op.Unsqueeze(index_y / op.Cast(count_y, to=FLOAT) * extent_y - extent_y * 0.5, [1])  # (gy, 1)
    along = op.Unsqueeze(index_x / op.Cast(count_x, to=FLOAT) * extent_x - extent_x * 0.5, [0])  # (1, gx)
    y = across * cos - along * sin + (cy * scale - 0.5)
    x = across * sin + along * cos + (cx * scale - 0.5)
    rows_count, columns_count = op.Split(size, num_outputs=2, axis=0)
    limit_y, limit_x = op.Cast(rows_count, to=FLOAT), op.Cast(columns_count, to=FLOAT)
    inside = op.And(op.And(y >= -1.0, y <= limit_y), op.And(x >= -1.0, x <= limit_x))
    valid = op.And(inside, op.Greater(extent_y * extent_x, 0.0))
    y = op.Max(op.Min(y, limit_y - 1.0), 0.0)
    x = op.Max(op.Min(x, limit_x - 1.0), 0.0)
    top, left = op.Cast(y, to=INT64), op.Cast(x, to=INT64)
    bottom, right = op.Min(top + 1, rows_count - 1), op.Min(left + 1, columns_count - 1)
    fy, fx = op.Unsqueeze(y - op.Cast(top, to=FLOAT), [2]), op.Unsqueeze(x - op.Cast(left, to=FLOAT), [2])
    first = op.Cast(image, to=INT64) * rows_count * columns_count
    upper, lower = first + top * columns_count, first + bottom * columns_count
    above = op.Gather(rows, upper + left) * (1.0 - fx) + op.Gather(rows, upper + right) * fx  # (gy, gx, C)
    below = op.Gather(rows, lower + left) * (1.0 - fx) + op.Gather(rows, lower + right) * fx
    blended = (above * (1.0 - fy) + below * fy) * op.Unsqueeze(op.Cast(valid, to=FLOAT), [2])
    rest = op.Constant(value_ints=[-1])
    one = op.Constant(value_ints=[1])
    bins = op.Concat(op.Reshape(bins_y, one), rest, op.Reshape(bins_x, one), op.Cast(samples_x, to=INT64), rest, axis=0)
    channels = op.Shape(rows, start=1, end=2)
    shape = op.Concat(
        op.Slice(bins, [0], [1]), op.Cast(samples_y, to=INT64), op.Slice(bins, [2], [4]), channels, axis=0
    )
    mean = op.ReduceMean(op.Reshape(blended, shape), [1, 3], keepdims=0)  # (PH, PW, C)
    return op.Transpose(mean, perm=[2, 0, 1])


_SCRIPTS = (clipped_edges_rotated, pairwise_iou_rotated, suppress_rotated, batched_nms_rotated, pool_region_rotated)

_ROI_ALIGN_ROTATED = """
<domain: "detectory", opset_import: ["": 18, "detectory": 1]>
roi_align_rotated <spatial_scale, pooled_height, pooled_width, sampling_ratio> (input, rois) => (pooled)
{
    features = Cast <to = 1> (input)
    regions = Cast <to = 1> (rois)
    pixels = Transpose <perm = [0, 2, 3, 1]> (features)
    channels = Shape <start = 1, end = 2> (input)
    size = Shape <start = 2, end = 4> (input)
    all = Constant <value_ints = [-1]> ()
    matrix = Concat <axis = 0> (all, channels)
    rows = Reshape (pixels, matrix)
    zero = Constant <value_ints = [0]> ()
    counts = Shape <start = 0, end = 1> (rois)
    count = Squeeze (counts, zero)
    yes = Constant <value_int = 1> ()
    always = Cast <to = 9> (yes)
    stacked = Loop (count, always) <body = pool (int64 i, bool condition) => (bool next, float[C, PH, PW] region) {
        next = Identity (condition)
        roi = Gather (regions, i)
        region = detectory.pool_region_rotated <
            spatial_scale: float = @spatial_scale,
            pooled_height: int = @pooled_height,
            pooled_width: int = @pooled_width,
            sampling_ratio: int = @sampling_ratio
        > (rows, roi, size)
    }>
    bins_y = Constant <value_int: int = @pooled_height> ()
    bins_x = Constant <value_int: int = @pooled_width> ()
    one = Constant <value_ints = [1]> ()
    pooled_height_1d = Reshape (bins_y, one)
    pooled_width_1d = Reshape (bins_x, one)
    shape = Concat <axis = 0> (counts, channels, pooled_height_1d, pooled_width_1d)
    shaped = Reshape <allowzero = 1> (stacked, shape)
    pooled = CastLike (shaped, input)
}
"""


def inline_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace the nodes of this module's functions, and calls of all other model-local functions, by their bodies."""
    if any(node.domain == DOMAIN.domain for node in model.graph.node):
        scripts = (
            clipped_edges_rotated,
            pairwise_iou_rotated,
            suppress_rotated,
            batched_nms_rotated,
            pool_region_rotated,
        )
        model.functions.extend(function.to_function_proto() for function in scripts)
        model.functions.append(onnx.parser.parse_function(_ROI_ALIGN_ROTATED))
        if all(entry.domain != DOMAIN.domain for entry in model.opset_import):
            model.opset_import.append(onnx.helper.make_opsetid(DOMAIN.domain, DOMAIN.version))
    if not model.functions:
        return model
    return onnx.inliner.inline_local_functions(model)


def function_call(name: str, inputs: int, attributes: dict[str, onnx.defs.OpSchema.AttrType]) -> Any:
    """Return a callable that adds a node of one of the functions to the graph that onnxscript traces.

    Args:
        name: Name of the function.
        inputs: Number of its inputs, each of any type.
        attributes: Types of its attributes.
    """
    kinds = [f"T{i}" for i in range(inputs + 1)]
    types = ["tensor(float)", "tensor(double)", "tensor(float16)", "tensor(int64)"]
    parameter, attribute = onnx.defs.OpSchema.FormalParameter, onnx.defs.OpSchema.Attribute
    schema = onnx.defs.OpSchema(
        name,
        DOMAIN.domain,
        DOMAIN.version,
        inputs=[parameter(f"input{i}", kind) for i, kind in enumerate(kinds[:-1])],
        outputs=[parameter("output", kinds[-1])],
        type_constraints=[(kind, types, "") for kind in kinds],
        attributes=[attribute(entry, kind, "", required=True) for entry, kind in attributes.items()],
    )
    return values.Op(DOMAIN, name, schema)


_INT, _FLOAT = onnx.defs.OpSchema.AttrType.INT, onnx.defs.OpSchema.AttrType.FLOAT
call_batched_nms_rotated = function_call("batched_nms_rotated", 3, {"iou_threshold": _FLOAT})
call_roi_align_rotated = function_call(
    "roi_align_rotated",
    2,
    {"spatial_scale": _FLOAT, "pooled_height": _INT, "pooled_width": _INT, "sampling_ratio": _INT},
)
