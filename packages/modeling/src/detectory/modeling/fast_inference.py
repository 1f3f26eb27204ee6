"""Optimization of trained models for inference: folded norms, faster convolutions, lower precision."""

from typing import Any

import torch
from torch import Tensor, nn

from detectory.core.precision import resolve_precision
from detectory.modeling.anchor_generator import DefaultAnchorGenerator, RotatedAnchorGenerator
from detectory.modeling.layers import Conv2d, DeformConv, FrozenBatchNorm2d, ModulatedDeformConv
from detectory.modeling.layers.winograd import use_winograd

BATCH_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm, FrozenBatchNorm2d)
#: Layers that predict scores and coordinates: their outputs are converted back to float32.
LAST_LAYERS = ("objectness_logits", "anchor_deltas", "cls_score", "bbox_pred", "ctrness", "predictor", "score_lowres")


def optimize_for_inference(
    model: nn.Module, dtype: torch.dtype | None = torch.float32, compile: bool = False
) -> nn.Module:
    """Make a detector faster, in place. Afterwards it can neither be trained nor load a checkpoint.

    Batch norms are folded into the preceding convolutions, and weights are stored in channels last. On CPUs, 3×3
    convolutions use a quarter of the multiplications (`WinogradConv2d`). Their transformed weights need additional
    memory, 220 MB for a Mask R-CNN with ResNet-50 and FPN. Results differ by about 1e-5 of the largest feature. A lower
    precision applies to the backbone and the heads; boxes, scores and masks stay float32.

    Args:
        model: A model with a `backbone` and trained weights.
        dtype: `torch.float32`, `torch.bfloat16`, or None for the faster of the two on this device. A processor without
            bfloat16 instructions emulates that type; a warning states the slowdown.
        compile: Also compile the backbone at its first call. This takes a minute, requires a C++ compiler, and saves a
            few percent if all images have the same size.

    Returns:
        The same model, in inference mode.

    Raises:
        ValueError: If the type is neither float32, bfloat16 nor float16, or the model has no backbone.

    Source: Jacob et al., "Quantization and Training of Neural Networks", 2018, section 3.2, for the folding;
        Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, for the convolutions.
    """
    backbone = getattr(model, "backbone", None)
    if not isinstance(backbone, nn.Module):
        raise ValueError(f"optimize_for_inference: {type(model).__name__} has no backbone")
    dtype = resolve_precision(dtype, next(model.parameters()).device, "optimize_for_inference: dtype")
    model.eval().requires_grad_(False)
    fold_batch_norms(model)
    if dtype == torch.float32 or (dtype == torch.bfloat16 and not torch.cpu._is_amx_tile_supported()):
        use_winograd(model)  # AMX computes bfloat16 faster than Winograd's float32 sums
    model.to(memory_format=torch.channels_last)
    if dtype != torch.float32:
        lower_precision(model, dtype)
    if compile:
        backbone.compile()
    return model


@torch.no_grad()
def fold_batch_norms(model: nn.Module) -> nn.Module:
    """Multiply every batch norm's scale into the convolution before it and leave the norm out, in place.

    Knows the norms that `Conv2d` and the deformable convolutions own, and RegNet's pairs (`a` and `a_bn`,
    `conv` and `bn`, `proj` and `bn`). Other norms stay.
    """
    for module in list(model.modules()):
        if isinstance(module, (Conv2d, DeformConv, ModulatedDeformConv)) and isinstance(module.norm, BATCH_NORMS):
            _fold(module, module.norm)
            module.norm = None
        for name, child in list(module.named_children()):
            partner = "bn" if name in ("conv", "proj") else f"{name}_bn"
            norm = getattr(module, partner, None)
            if type(child) is nn.Conv2d and isinstance(norm, BATCH_NORMS):
                _fold(child, norm)
                setattr(module, partner, None)
    return model


def _fold(convolution: Any, norm: nn.Module) -> None:
    frozen: Any = FrozenBatchNorm2d.convert_frozen_batchnorm(norm)
    weight, bias = frozen.fold(convolution.weight, convolution.bias)
    convolution.weight = nn.Parameter(weight, requires_grad=False)
    convolution.bias = nn.Parameter(bias, requires_grad=False)


def lower_precision(model: nn.Module, dtype: torch.dtype) -> None:
    """Cast all parts of a model but the anchors, in place; boxes, scores and masks stay float32.

    Images are cast before the backbone, and predictions after the last layers.

    Args:
        model: A model with a `backbone`.
        dtype: The lower precision.
    """
    backbone: Any = model.backbone
    anchors = {id(m) for m in model.modules() if isinstance(m, (DefaultAnchorGenerator, RotatedAnchorGenerator))}
    for module in model.modules():
        if id(module) in anchors or module is model:
            continue  # coordinates and pixel means need all their digits
        for parameter in module.parameters(recurse=False):
            parameter.data = parameter.data.to(dtype)
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_floating_point():
                setattr(module, name, buffer.to(dtype))

    def cast_image(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(arg.to(dtype) for arg in args)

    def cast_prediction(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        return output.float()

    backbone.register_forward_pre_hook(cast_image)
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in LAST_LAYERS:
            module.register_forward_hook(cast_prediction)
