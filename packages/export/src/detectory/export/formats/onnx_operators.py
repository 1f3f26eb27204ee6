"""ONNX translations of Detectory's operators.

onnxscript traces each function, so that its calls become nodes of the ONNX graph. Parameter names must match the
operator schemas.
"""

from collections.abc import Callable
from typing import Any

import onnx
import onnxscript
import torch
from onnxscript import opset18

from detectory.export.formats.onnx_deform_conv import deform_conv2d
from detectory.export.formats.onnx_functions import call_batched_nms_rotated, call_roi_align_rotated

op: Any = opset18  # its annotations describe values in scripts, not the symbolic values during tracing

UNLIMITED = 2**62
"""`max_output_boxes_per_class` of NonMaxSuppression: keep all boxes."""


def _nms(boxes: Any, scores: Any, iou_threshold: float) -> Any:
    """Translate `detectory.ops.nms`: a single class, sorted by score."""
    selected = op.NonMaxSuppression(
        op.Unsqueeze(boxes, op.Constant(value_ints=[0])),  # (1, N, 4)
        op.Unsqueeze(scores, op.Constant(value_ints=[0, 1])),  # (1, 1, N)
        op.Constant(value_ints=[UNLIMITED]),
        op.Constant(value_floats=[iou_threshold]),
    )
    return op.Gather(selected, op.Constant(value_int=2), axis=1)


def _batched_nms(boxes: Any, scores: Any, idxs: Any, iou_threshold: float) -> Any:
    """Translate `detectory.ops.batched_nms`: one row of scores per class, minus infinity for boxes of other classes.

    Boxes are not offset by class, so that their IoUs equal those of eager inference. Memory is proportional to
    classes times boxes. `idxs` start at zero.
    """
    zero, one = op.Constant(value_ints=[0]), op.Constant(value_ints=[1])
    classes = op.Add(op.ReduceMax(op.Concat(idxs, zero, axis=0), keepdims=0), op.Constant(value_int=1))
    column = op.Unsqueeze(op.Range(op.Constant(value_int=0), classes, op.Constant(value_int=1)), one)  # (K, 1)
    of_class = op.Equal(column, op.Unsqueeze(idxs, zero))  # (K, N)
    rows = op.Where(of_class, op.Unsqueeze(scores, zero), op.Constant(value_float=float("-inf")))
    selected = op.NonMaxSuppression(
        op.Unsqueeze(boxes, zero),
        op.Unsqueeze(rows, zero),
        op.Constant(value_ints=[UNLIMITED]),
        op.Constant(value_floats=[iou_threshold]),
        op.Constant(value_floats=[torch.finfo(torch.float32).min]),
    )
    # The output is grouped by class. TopK is stable, so that sorting by index first keeps ties in input order.
    keep = op.Gather(selected, op.Constant(value_int=2), axis=1)
    keep, _ = op.TopK(keep, op.Shape(keep), largest=0)
    _, order = op.TopK(op.Gather(scores, keep), op.Shape(keep))
    return op.Gather(keep, order)


def _roi_align(
    input: Any,
    rois: Any,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
) -> Any:
    """Translate `detectory.ops.roi_align`: ONNX takes the batch indices and the boxes as separate inputs."""
    index = op.Gather(rois, op.Constant(value_int=0), axis=1)
    is_half = input.dtype != onnxscript.ir.DataType.FLOAT
    pooled = op.RoiAlign(
        op.Cast(input, to=onnx.TensorProto.FLOAT) if is_half else input,  # half precision would round the boxes
        op.Gather(rois, op.Constant(value_ints=[1, 2, 3, 4]), axis=1),
        op.Cast(index, to=onnx.TensorProto.INT64),
        mode="avg",
        coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
        output_height=pooled_height,
        output_width=pooled_width,
        sampling_ratio=sampling_ratio,
        spatial_scale=spatial_scale,
    )
    return op.CastLike(pooled, input) if is_half else pooled


def _nms_rotated(boxes: Any, scores: Any, iou_threshold: float) -> Any:
    """Translate `detectory.ops.nms_rotated`: a single class."""
    classes = op.Cast(op.Mul(scores, op.CastLike(op.Constant(value_float=0.0), scores)), to=onnx.TensorProto.INT64)
    return call_batched_nms_rotated(boxes, scores, classes, iou_threshold=iou_threshold)


def _batched_nms_rotated(boxes: Any, scores: Any, idxs: Any, iou_threshold: float) -> Any:
    """Translate `detectory.ops.batched_nms_rotated`."""
    return call_batched_nms_rotated(boxes, scores, idxs, iou_threshold=iou_threshold)


def _roi_align_rotated(
    input: Any, rois: Any, spatial_scale: float, pooled_height: int, pooled_width: int, sampling_ratio: int
) -> Any:
    """Translate `detectory.ops.roi_align_rotated`: a loop over the regions."""
    return call_roi_align_rotated(
        input,
        rois,
        spatial_scale=spatial_scale,
        pooled_height=pooled_height,
        pooled_width=pooled_width,
        sampling_ratio=sampling_ratio,
    )


def onnx_translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Return the translation of each operator that has an ONNX equivalent."""
    operators = torch.ops.detectory
    return {
        operators.nms.default: _nms,
        operators.batched_nms.default: _batched_nms,
        operators.roi_align.default: _roi_align,
        operators.nms_rotated.default: _nms_rotated,
        operators.batched_nms_rotated.default: _batched_nms_rotated,
        operators.roi_align_rotated.default: _roi_align_rotated,
        operators.deform_conv2d.default: deform_conv2d,
    }
