"""ONNX translations of Detectory's operators for traced models, `torch.onnx.export(…, dynamo=False)`.

The translations for `torch.export` are in `detectory.export.formats.onnx_operators`. Parameters follow the operator
schemas; `g` is the graph to which a translation adds its nodes.
"""

import warnings
from typing import Any

import torch
from torch.onnx import register_custom_op_symbolic, symbolic_helper

#: Opset with `TopK`, `Range` and `NonMaxSuppression` as used here, and with half-pixel `RoiAlign`.
MIN_OPSET, HALF_PIXEL_OPSET = 12, 16
DEFORM_CONV_OPSET = 19
UNLIMITED = 2**62
FLOAT, UINT8, INT64 = 1, 2, 7  # data types of onnx.TensorProto


def _constant(g: Any, value: Any, dtype: torch.dtype | None = None) -> Any:
    return g.op("Constant", value_t=torch.tensor(value, dtype=dtype))


def _suppress(g: Any, boxes: Any, scores: Any, iou_threshold: float, minimum: list[float]) -> Any:
    """Return the indices that NonMaxSuppression keeps of `boxes` (N, 4) with `scores` (K, N), grouped by class."""
    selected = g.op(
        "NonMaxSuppression",
        symbolic_helper._unsqueeze_helper(g, boxes, [0]),
        symbolic_helper._unsqueeze_helper(g, scores, [0]),
        _constant(g, [UNLIMITED]),
        _constant(g, [iou_threshold], torch.float32),
        *([_constant(g, minimum, torch.float32)] if minimum else []),
    )
    return g.op("Gather", selected, _constant(g, 2), axis_i=1)


@symbolic_helper.parse_args("v", "v", "f")
def _nms(g: Any, boxes: Any, scores: Any, iou_threshold: float) -> Any:
    return _suppress(g, boxes, symbolic_helper._unsqueeze_helper(g, scores, [0]), iou_threshold, [])


@symbolic_helper.parse_args("v", "v", "v", "f")
def _batched_nms(g: Any, boxes: Any, scores: Any, idxs: Any, iou_threshold: float) -> Any:
    """Suppress within each class with one row of scores per class, minus infinity for boxes of other classes."""
    idxs = g.op("Cast", idxs, to_i=INT64)
    largest = g.op("ReduceMax", g.op("Concat", idxs, _constant(g, [0]), axis_i=0), keepdims_i=0)
    classes = g.op("Range", _constant(g, 0), g.op("Add", largest, _constant(g, 1)), _constant(g, 1))
    of_class = g.op(
        "Equal",
        symbolic_helper._unsqueeze_helper(g, classes, [1]),
        symbolic_helper._unsqueeze_helper(g, idxs, [0]),
    )  # (K, N)
    rows = g.op("Where", of_class, symbolic_helper._unsqueeze_helper(g, scores, [0]), _constant(g, -torch.inf))
    keep = _suppress(g, boxes, rows, iou_threshold, [torch.finfo(torch.float32).min])
    # TopK is stable: sorting by index first keeps ties in input order.
    keep, _ = g.op("TopK", keep, g.op("Shape", keep), largest_i=0, outputs=2)
    _, order = g.op("TopK", g.op("Gather", scores, keep), g.op("Shape", keep), outputs=2)
    return g.op("Gather", keep, order)


def _roi_align_node(g: Any, input: Any, rois: Any, *, scale: float, size: tuple[int, int], **attributes: Any) -> Any:
    index = g.op("Cast", g.op("Gather", rois, _constant(g, 0), axis_i=1), to_i=INT64)
    boxes = g.op("Gather", rois, _constant(g, [1, 2, 3, 4]), axis_i=1)
    if attributes.pop("shifted", False):
        boxes = g.op("Sub", boxes, _constant(g, 0.5 / scale))
    return g.op(
        "RoiAlign",
        input,
        boxes,
        index,
        mode_s="avg",
        spatial_scale_f=scale,
        output_height_i=size[0],
        output_width_i=size[1],
        **attributes,
    )


@symbolic_helper.parse_args("v", "v", "f", "i", "i", "i", "b")
def _roi_align(
    g: Any, input: Any, rois: Any, scale: float, height: int, width: int, sampling_ratio: int, aligned: bool
) -> Any:
    return _roi_align_node(
        g,
        input,
        rois,
        scale=scale,
        size=(height, width),
        sampling_ratio_i=sampling_ratio,
        coordinate_transformation_mode_s="half_pixel" if aligned else "output_half_pixel",
    )


@symbolic_helper.parse_args("v", "v", "f", "i", "i", "i", "b")
def _roi_align_without_half_pixel(
    g: Any, input: Any, rois: Any, scale: float, height: int, width: int, sampling_ratio: int, aligned: bool
) -> Any:
    """Shift the regions by half a feature pixel instead; the node enlarges regions below one feature pixel."""
    if aligned:
        warnings.warn(
            f"torch.onnx.export: RoiAlign enlarges regions below one feature pixel before opset {HALF_PIXEL_OPSET}; "
            f"pass opset_version={HALF_PIXEL_OPSET} for results equal to PyTorch's",
            stacklevel=2,
        )
    size = (height, width)
    return _roi_align_node(g, input, rois, scale=scale, size=size, sampling_ratio_i=sampling_ratio, shifted=aligned)


def _hat_weights(g: Any, low: Any, high: Any, pixels: Any, cells: Any) -> Any:
    """Return the bilinear weights (N, pixels, cells) of the mask cells stretched over [low, high], both (N, 1)."""
    side = g.op("Sub", high, low)
    valid = g.op("Greater", side, _constant(g, 0.0))
    centers = g.op("Add", _to_float(g, _range(g, pixels)), _constant(g, 0.5))  # (pixels,)
    fraction = g.op("Div", g.op("Sub", centers, low), g.op("Where", valid, side, _constant(g, 1.0)))
    position = g.op("Sub", g.op("Mul", fraction, _to_float(g, cells)), _constant(g, 0.5))  # (N, pixels)
    distance = g.op(
        "Abs", g.op("Sub", symbolic_helper._unsqueeze_helper(g, position, [2]), _to_float(g, _range(g, cells)))
    )
    weights = g.op("Relu", g.op("Sub", _constant(g, 1.0), distance))
    return g.op("Mul", weights, symbolic_helper._unsqueeze_helper(g, _to_float(g, valid), [2]))


def _range(g: Any, stop: Any) -> Any:
    return g.op("Range", _constant(g, 0), stop, _constant(g, 1))


def _to_float(g: Any, value: Any) -> Any:
    return g.op("Cast", value, to_i=FLOAT)


@symbolic_helper.parse_args("v", "v", "i", "i", "f")
def _paste_masks(g: Any, masks: Any, boxes: Any, height: int, width: int, threshold: float) -> Any:
    """Interpolate with two products: bilinear interpolation with zeros outside the mask is separable."""
    shape = g.op("Shape", masks)
    columns = [g.op("Gather", boxes, _constant(g, [i]), axis_i=1) for i in range(4)]  # (N, 1) each
    rows = _hat_weights(g, columns[1], columns[3], _constant(g, height), g.op("Gather", shape, _constant(g, 1)))
    cols = _hat_weights(g, columns[0], columns[2], _constant(g, width), g.op("Gather", shape, _constant(g, 2)))
    values = g.op("MatMul", rows, _to_float(g, masks))  # (N, height, w)
    values = g.op("MatMul", values, g.op("Transpose", cols, perm_i=[0, 2, 1]))
    if threshold < 0:
        return g.op("Cast", g.op("Mul", values, _constant(g, 255.0)), to_i=UINT8)
    return g.op("GreaterOrEqual", values, _constant(g, threshold, torch.float32))


@symbolic_helper.parse_args("v", "v", "v", "v", "i", "i", "i", "i", "i", "i")
def _deform_conv2d(
    g: Any,
    input: Any,
    offset: Any,
    weight: Any,
    mask: Any,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
) -> Any:
    channels, per_group, *kernel = symbolic_helper._get_tensor_sizes(weight)
    optional = [] if symbolic_helper._is_none(mask) else [_constant(g, [0.0] * channels), mask]
    return g.op(
        "DeformConv",
        input,
        weight,
        offset,
        *optional,
        strides_i=[stride_h, stride_w],
        pads_i=[pad_h, pad_w, pad_h, pad_w],
        dilations_i=[dilation_h, dilation_w],
        kernel_shape_i=kernel,
        group_i=symbolic_helper._get_tensor_sizes(input)[1] // per_group,
        offset_group_i=symbolic_helper._get_tensor_sizes(offset)[1] // (2 * kernel[0] * kernel[1]),
    )


def register_onnx_symbolics() -> None:
    """Register the translations with torch's exporter of traced models; repeated calls have no effect."""
    register_custom_op_symbolic("detectory::nms", _nms, MIN_OPSET)
    register_custom_op_symbolic("detectory::batched_nms", _batched_nms, MIN_OPSET)
    register_custom_op_symbolic("detectory::paste_masks", _paste_masks, MIN_OPSET)
    register_custom_op_symbolic("detectory::roi_align", _roi_align_without_half_pixel, MIN_OPSET)
    register_custom_op_symbolic("detectory::roi_align", _roi_align, HALF_PIXEL_OPSET)
    register_custom_op_symbolic("detectory::deform_conv2d", _deform_conv2d, DEFORM_CONV_OPSET)
