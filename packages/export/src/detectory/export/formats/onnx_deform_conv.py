"""ONNX translation of deformable convolution to GridSample and a 1x1 convolution, which every runtime has."""

from typing import Any

from onnxscript import opset18

op: Any = opset18  # its annotations describe values in scripts, not the symbolic values during tracing

FLOAT = 1  # onnx.TensorProto.FLOAT


def deform_conv2d(
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
    """Translate `detectory.ops.deform_conv2d`, versions 1 and 2.

    GridSample reads one value per output pixel, tap and channel; a convolution with one tap sums them up.
    """
    channels, (out_channels, per_group, kernel_h, kernel_w) = input.shape[1], weight.shape
    taps = kernel_h * kernel_w
    groups = offset.shape[1] // (2 * taps)
    size = op.Shape(offset, start=2, end=4)  # OH, OW
    # (B * G, taps, 2, OH, OW): y before x
    shifts = op.Reshape(op.Cast(offset, to=FLOAT), op.Concat(_ints(-1, taps, 2), size, axis=0))
    y, x = op.Split(shifts, num_outputs=2, axis=2)
    rows, columns = (_axis(size, i, stride) for i, stride in enumerate((stride_h, stride_w)))
    tap_y = [row * dilation_h - pad_h for row in range(kernel_h) for _ in range(kernel_w)]
    tap_x = [column * dilation_w - pad_w for _ in range(kernel_h) for column in range(kernel_w)]
    y = op.Add(op.Add(y, op.Reshape(rows, _ints(-1, 1))), _taps(tap_y))
    x = op.Add(op.Add(x, columns), _taps(tap_x))
    grid = [_normalized(x, op.Shape(input, start=3, end=4)), _normalized(y, op.Shape(input, start=2, end=3))]
    flat = op.Concat(_ints(0, -1), op.Shape(offset, start=3, end=4), axis=0)
    planes = [op.Reshape(op.Squeeze(plane, _ints(2)), flat) for plane in grid]  # (B * G, taps * OH, OW)
    grid_of_taps = op.Concat(*(op.Unsqueeze(plane, _ints(3)) for plane in planes), axis=3)
    images = op.Reshape(input, op.Concat(_ints(-1, channels // groups), op.Shape(input, start=2, end=4), axis=0))
    sampled = op.GridSample(
        op.Cast(images, to=FLOAT), grid_of_taps, align_corners=0, mode="bilinear", padding_mode="zeros"
    )  # (B * G, C / G, taps * OH, OW)
    if mask is not None:
        factors = op.Reshape(
            op.Cast(mask, to=FLOAT), op.Concat(_ints(-1, 1), op.Shape(grid_of_taps, start=1, end=3), axis=0)
        )
        sampled = op.Mul(sampled, factors)
    values = op.Reshape(sampled, op.Concat(_ints(-1, channels * taps), size, axis=0))
    kernel = op.Reshape(weight, _ints(out_channels, per_group * taps, 1, 1))
    return op.Conv(op.CastLike(values, input), kernel, group=channels // per_group)


def _ints(*values: int) -> Any:
    return op.Constant(value_ints=list(values))


def _axis(size: Any, axis: int, stride: int) -> Any:
    """Return the positions of the output pixels along an axis, in input pixels."""
    count = op.Gather(size, op.Constant(value_int=axis))
    index = op.Range(op.Constant(value_int=0), count, op.Constant(value_int=1))
    return op.Cast(op.Mul(index, op.Constant(value_int=stride)), to=FLOAT)


def _taps(positions: list[int]) -> Any:
    """Return the positions of the taps, shaped (taps, 1, 1, 1)."""
    return op.Reshape(op.Constant(value_floats=[float(position) for position in positions]), _ints(-1, 1, 1, 1))


def _normalized(position: Any, size: Any) -> Any:
    """Convert pixel indices to GridSample's coordinates: -1 and 1 are the outer borders of the image."""
    doubled = op.Add(op.Mul(position, op.Constant(value_float=2.0)), op.Constant(value_float=1.0))
    return op.Sub(op.Div(doubled, op.Cast(size, to=FLOAT)), op.Constant(value_float=1.0))
