"""Multi-scale deformable attention."""

from typing import Any

import torch

from detectory.ops._checks.arguments import check_same, check_same_device, check_tensor
from detectory.ops._checks.determinism import require_determinism
from detectory.ops._library import ops


def ms_deform_attn(
    value: torch.Tensor,
    spatial_shapes: torch.Tensor,
    level_start_index: torch.Tensor,
    sampling_locations: torch.Tensor,
    attention_weights: torch.Tensor,
) -> torch.Tensor:
    """Return weighted sums of bilinear samples from several feature maps, per query and head.

    Args:
        value: (B, S, M, D) floating: the concatenated pixels of all levels, M heads with D channels.
        spatial_shapes: (L, 2) integer: height and width of each level.
        level_start_index: (L,) integer: index of the first pixel of each level in S.
        sampling_locations: (B, Q, M, L, P, 2): x, then y of P points per level, in [0, 1] relative to width and
            height of the level. Samples outside are 0.
        attention_weights: (B, Q, M, L, P): weight of each sample.

    Returns:
        (B, Q, M * D) of value's dtype. Half-precision inputs are accumulated in float32, as under autocast.
        Differentiable with respect to values, locations and weights; the backward pass is deterministic on the CPU.

    Raises:
        TypeError: If an argument is not a tensor of a valid dtype, or dtypes differ.
        ValueError: If shapes or devices do not match.
        RuntimeError: If a level exceeds `value` (CPU). On CUDA, samples outside `value` are 0.

    Source: Zhu et al., "Deformable DETR", ICLR 2021, equation 3.
    """
    name = "ms_deform_attn"
    check_tensor(name, "value", value, "(B, S, M, D)")
    check_tensor(name, "spatial_shapes", spatial_shapes, "(L, 2)", "integer")
    check_tensor(name, "level_start_index", level_start_index, "(L,)", "integer")
    check_tensor(name, "sampling_locations", sampling_locations, "(B, Q, M, L, P, 2)")
    check_tensor(name, "attention_weights", attention_weights, "(B, Q, M, L, P)")
    for other, tensor in (("sampling_locations", sampling_locations), ("attention_weights", attention_weights)):
        check_same_device(name, "value", value, other, tensor)
        if not torch.is_autocast_enabled(value.device.type):
            check_same(name, "value", value, other, tensor)
    check_same_device(name, "value", value, "spatial_shapes", spatial_shapes)
    check_same_device(name, "value", value, "level_start_index", level_start_index)
    batch, _, heads, _ = value.shape
    expected = (batch, sampling_locations.shape[1], heads, spatial_shapes.shape[0], sampling_locations.shape[4])
    if tuple(sampling_locations.shape[:5]) != expected:
        raise ValueError(f"{name}: sampling_locations must be {(*expected, 2)}, got {tuple(sampling_locations.shape)}")
    if tuple(attention_weights.shape) != expected:
        raise ValueError(f"{name}: attention_weights must be {expected}, got {tuple(attention_weights.shape)}")
    if level_start_index.shape[0] != spatial_shapes.shape[0]:
        raise ValueError(f"{name}: level_start_index must have {len(spatial_shapes)} entries, one per level")
    return ops.ms_deform_attn(value, spatial_shapes, level_start_index, sampling_locations, attention_weights)


@torch.library.register_fake("detectory::ms_deform_attn")
def _fake_ms_deform_attn(
    value: torch.Tensor, _shapes: torch.Tensor, _starts: torch.Tensor, locations: torch.Tensor, _weights: torch.Tensor
) -> torch.Tensor:
    return value.new_empty(value.shape[0], locations.shape[1], value.shape[2] * value.shape[3])


@torch.library.register_fake("detectory::ms_deform_attn_backward")
def _fake_ms_deform_attn_backward(
    _grad: torch.Tensor,
    value: torch.Tensor,
    _shapes: torch.Tensor,
    _starts: torch.Tensor,
    locations: torch.Tensor,
    weights: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return value.new_empty(value.shape), locations.new_empty(locations.shape), weights.new_empty(weights.shape)


def _setup_context(ctx: Any, inputs: tuple, output: torch.Tensor) -> None:  # noqa: ARG001
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad: torch.Tensor) -> tuple:
    require_determinism("ms_deform_attn", grad.device)
    value, locations, weights = ops.ms_deform_attn_backward(grad, *ctx.saved_tensors)
    return value, None, None, locations, weights


torch.library.register_autograd("detectory::ms_deform_attn", _backward, setup_context=_setup_context)
for _device in ("cpu", "cuda"):
    torch.library.register_autocast("detectory::ms_deform_attn", _device, torch.float32)
