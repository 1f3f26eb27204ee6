"""RoIAlign of rotated regions."""

from typing import Any

import torch

from detectory.ops._checks.determinism import require_determinism
from detectory.ops._library import ops
from detectory.ops.roi_align import check_pooling


def roi_align_rotated(
    input: torch.Tensor,
    rois: torch.Tensor,
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
) -> torch.Tensor:
    """Return the average of bilinear samples in each bin of each rotated region, with half-pixel alignment.

    Args:
        input: (B, C, H, W) floating, any strides; channels_last is read without a copy.
        rois: (R, 6) floating: batch index, then `(cx, cy, w, h, degrees counter-clockwise)` in image coordinates.
            Regions with a non-finite value or a non-positive size yield zeros.
        output_size: Bins along the height and width of the region, or a single number for both.
        spatial_scale: Features per image pixel, such as 1 / 16.
        sampling_ratio: Samples per bin and axis; 0 uses ceil(region / bins), about one per feature pixel.

    Returns:
        (R, C, *output_size) of the input's dtype. Half-precision inputs are accumulated in float32. Differentiable with
        respect to `input`, not to `rois`; the backward pass is deterministic on the CPU.

    Raises:
        TypeError: If `input` or `rois` is not a floating tensor.
        ValueError: If shapes or devices do not match, or a size is invalid.
        RuntimeError: If a batch index is out of range (CPU). On CUDA the output of such a region is zero.

    Source: Ma et al., "Arbitrary-Oriented Scene Text Detection via Rotation Proposals", TMM 2018, with the bilinear
    sampling of He et al., "Mask R-CNN", ICCV 2017.
    """
    height, width = check_pooling("roi_align_rotated", input, rois, output_size, spatial_scale, sampling_ratio, 6)
    return ops.roi_align_rotated(input, rois, spatial_scale, height, width, sampling_ratio)


@torch.library.register_fake("detectory::roi_align_rotated")
def _fake_roi_align_rotated(
    input: torch.Tensor, rois: torch.Tensor, _scale: float, height: int, width: int, _ratio: int
) -> torch.Tensor:
    return input.new_empty(rois.shape[0], input.shape[1], height, width)


@torch.library.register_fake("detectory::roi_align_rotated_backward")
def _fake_roi_align_rotated_backward(
    grad: torch.Tensor, _rois: torch.Tensor, _scale: float, batch: int, height: int, width: int, _ratio: int
) -> torch.Tensor:
    return grad.new_empty(batch, grad.shape[1], height, width)


def _setup_context(ctx: Any, inputs: tuple, output: torch.Tensor) -> None:  # noqa: ARG001
    input, rois, ctx.scale, _, _, ctx.sampling_ratio = inputs
    ctx.save_for_backward(rois)
    ctx.shape = input.shape


def _backward(ctx: Any, grad: torch.Tensor) -> tuple:
    (rois,) = ctx.saved_tensors
    require_determinism("roi_align_rotated", grad.device)
    batch, _, height, width = ctx.shape
    own = ops.roi_align_rotated_backward(grad, rois, ctx.scale, batch, height, width, ctx.sampling_ratio)
    return own, None, None, None, None, None


torch.library.register_autograd("detectory::roi_align_rotated", _backward, setup_context=_setup_context)
