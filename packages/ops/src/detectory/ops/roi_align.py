"""RoIAlign: pooling of region features to a fixed grid of bins."""

from typing import Any

import torch

from detectory.ops._checks.arguments import check_same_device, check_tensor
from detectory.ops._library import ops


def roi_align(
    input: torch.Tensor,
    rois: torch.Tensor,
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = True,
) -> torch.Tensor:
    """Return the average of bilinear samples in each bin of each region.

    Args:
        input: (B, C, H, W) floating, any strides; channels_last is read without a copy.
        rois: (R, 5) floating: batch index, then `(x1, y1, x2, y2)` in image coordinates. Regions with
            a non-finite coordinate or a negative size yield zeros.
        output_size: Bins along y and x, or a single number for both.
        spatial_scale: Features per image pixel, such as 1 / 16.
        sampling_ratio: Samples per bin and axis; 0 uses ceil(region / bins), about one per feature pixel.
        aligned: Whether to shift by half a pixel, so that the centre of feature pixel 0 is at coordinate 0.5. If False
            (the original behaviour), there is no shift and regions are at least one pixel wide.

    Returns:
        (R, C, *output_size) of the input's dtype. Half-precision inputs are accumulated in float32. Differentiable with
        respect to `input`, not to `rois`; the backward pass is deterministic on the CPU, and on CUDA if
        `torch.use_deterministic_algorithms` is set.

    Raises:
        TypeError: If `input` or `rois` is not a floating tensor.
        ValueError: If shapes or devices do not match, or a size is invalid.
        RuntimeError: If a batch index is out of range (CPU). On CUDA the output of such a region is zero.

    Source: He et al., "Mask R-CNN", ICCV 2017, section 3; `aligned` is Detectron2's correction.
    """
    height, width = check_pooling("roi_align", input, rois, output_size, spatial_scale, sampling_ratio, columns=5)
    return ops.roi_align(input, rois, spatial_scale, height, width, sampling_ratio, aligned)


def check_pooling(
    function: str,
    input: torch.Tensor,
    rois: torch.Tensor,
    output_size: int | tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    columns: int,
) -> tuple[int, int]:
    """Check the arguments of both RoIAlign functions; return the number of bins along y and x."""
    check_tensor(function, "input", input, "(B, C, H, W)")
    check_tensor(function, "rois", rois, f"(R, {columns})")
    check_same_device(function, "input", input, "rois", rois)
    size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
    if len(size) != 2 or size[0] <= 0 or size[1] <= 0:
        raise ValueError(f"{function}: output_size must be one or two positive integers, got {output_size}")
    if not spatial_scale > 0:
        raise ValueError(f"{function}: spatial_scale must be positive, got {spatial_scale}")
    if sampling_ratio < 0:
        raise ValueError(f"{function}: sampling_ratio must be 0 (adaptive) or positive, got {sampling_ratio}")
    if input.shape[2] == 0 or input.shape[3] == 0:
        raise ValueError(f"{function}: input must not be empty, got shape {tuple(input.shape)}")
    return size[0], size[1]


@torch.library.register_fake("detectory::roi_align")
def _fake_roi_align(
    input: torch.Tensor, rois: torch.Tensor, _scale: float, height: int, width: int, *_: object
) -> torch.Tensor:
    return input.new_empty(rois.shape[0], input.shape[1], height, width)


@torch.library.register_fake("detectory::roi_align_backward")
def _fake_roi_align_backward(
    grad: torch.Tensor, _rois: torch.Tensor, _scale: float, batch: int, height: int, width: int, *rest: object
) -> torch.Tensor:
    _, _, channels_last, _ = rest
    if channels_last:
        return grad.new_empty(batch, height, width, grad.shape[1]).permute(0, 3, 1, 2)
    return grad.new_empty(batch, grad.shape[1], height, width)


def _setup_context(ctx: Any, inputs: tuple, output: object) -> None:  # noqa: ARG001
    input, rois, ctx.scale, _, _, ctx.sampling_ratio, ctx.aligned = inputs
    ctx.save_for_backward(rois)
    ctx.shape = input.shape
    ctx.channels_last = is_channels_last(input)


def _backward(ctx: Any, grad: torch.Tensor) -> tuple:
    (rois,) = ctx.saved_tensors
    batch, _, height, width = ctx.shape
    deterministic = torch.are_deterministic_algorithms_enabled()
    return (
        ops.roi_align_backward(
            grad,
            rois,
            ctx.scale,
            batch,
            height,
            width,
            ctx.sampling_ratio,
            ctx.aligned,
            ctx.channels_last,
            deterministic,
        ),
        *[None] * 6,
    )


def is_channels_last(input: torch.Tensor) -> bool:
    """Return whether `input` is channels-last, and its gradient therefore as well."""
    return not input.is_contiguous() and input.is_contiguous(memory_format=torch.channels_last)


torch.library.register_autograd("detectory::roi_align", _backward, setup_context=_setup_context)
