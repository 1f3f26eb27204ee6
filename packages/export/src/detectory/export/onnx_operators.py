"""What Detectory's operators are in ONNX.

Each function is traced by onnxscript: its calls become nodes of the ONNX graph. The names of the tensors are those of
the operators' schemas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import torch
from onnxscript import opset18

op: Any = opset18  # its annotations know the values of a script, not those that are there while a function is traced

ALL_BOXES = 2**62
"""How many boxes of a class may be kept: all of them."""


def _nms(boxes: Any, scores: Any, iou_threshold: float) -> Any:
    """`detectory.ops.nms`: one class, best first."""
    selected = op.NonMaxSuppression(
        op.Unsqueeze(boxes, op.Constant(value_ints=[0])),  # (1, N, 4)
        op.Unsqueeze(scores, op.Constant(value_ints=[0, 1])),  # (1, 1, N)
        op.Constant(value_ints=[ALL_BOXES]),
        op.Constant(value_floats=[iou_threshold]),
    )
    return op.Gather(selected, op.Constant(value_int=2), axis=1)


def _batched_nms(boxes: Any, scores: Any, idxs: Any, iou_threshold: float) -> Any:
    """`detectory.ops.batched_nms`: a row of scores for each class, in which other classes' boxes score minus infinity.

    Boxes are not shifted apart, so that IoUs are the ones that eager inference sees. Memory grows with classes times
    boxes. `idxs` count from zero.
    """
    zero, one = op.Constant(value_ints=[0]), op.Constant(value_ints=[1])
    classes = op.Add(op.ReduceMax(op.Concat(idxs, zero, axis=0), keepdims=0), op.Constant(value_int=1))
    column = op.Unsqueeze(op.Range(op.Constant(value_int=0), classes, op.Constant(value_int=1)), one)  # (K, 1)
    of_class = op.Equal(column, op.Unsqueeze(idxs, zero))  # (K, N)
    rows = op.Where(of_class, op.Unsqueeze(scores, zero), op.Constant(value_float=float("-inf")))
    selected = op.NonMaxSuppression(
        op.Unsqueeze(boxes, zero),
        op.Unsqueeze(rows, zero),
        op.Constant(value_ints=[ALL_BOXES]),
        op.Constant(value_floats=[iou_threshold]),
        op.Constant(value_floats=[torch.finfo(torch.float32).min]),
    )
    # Rows come class by class. TopK keeps the order of ties, so the second one leaves them in the order of the input.
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
    """`detectory.ops.roi_align`: the image's index and the box are two inputs in ONNX."""
    index = op.Gather(rois, op.Constant(value_int=0), axis=1)
    return op.RoiAlign(
        input,
        op.Gather(rois, op.Constant(value_ints=[1, 2, 3, 4]), axis=1),
        op.Cast(index, to=onnx.TensorProto.INT64),
        mode="avg",
        coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
        output_height=pooled_height,
        output_width=pooled_width,
        sampling_ratio=sampling_ratio,
        spatial_scale=spatial_scale,
    )


def onnx_translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Return the translation of each operator that ONNX can express."""
    operators = torch.ops.detectory
    return {
        operators.nms.default: _nms,
        operators.batched_nms.default: _batched_nms,
        operators.roi_align.default: _roi_align,
    }
