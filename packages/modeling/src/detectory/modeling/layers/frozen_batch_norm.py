"""Batch normalisation whose statistics and scale never change."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FrozenBatchNorm2d(nn.Module):
    """Apply a fixed affine map per channel, written with the four tensors of a batch norm.

    A fresh module is the identity. Caffe2 checkpoints hold only `weight` and `bias`, into which the
    statistics are folded already; loading one leaves the statistics at the identity.

    Args:
        num_features: Channels `C` of the input `(B, C, H, W)`.
        eps: Added to the variance.
    """

    _version = 3

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.weight: Tensor
        self.bias: Tensor
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("weight", torch.ones(num_features))
        self.register_buffer("bias", torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features) - eps)

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Return the map as `x * scale + shift`; both have shape `(C,)`."""
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        return scale, self.bias - self.running_mean * scale

    def fold(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return weight and bias of the convolution that equals `conv(weight, bias)` followed by this norm.

        Scaling the weight instead of the output saves a pass over the activations, forward and backward,
        and keeps the gradient: `norm(conv(x, w)) = conv(x, w * scale) + shift`.
        """
        scale, shift = self.scale_and_shift()
        if bias is not None:
            shift = shift + bias * scale
        scale = scale.reshape(-1, *[1] * (weight.dim() - 1))
        return weight * scale.to(weight.dtype), shift.to(weight.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` of shape `(B, C, H, W)`; shape and dtype stay."""
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
        )

    def _load_from_state_dict(self, state_dict: dict, prefix: str, local_metadata: Mapping, *rest: object) -> None:
        if (local_metadata.get("version") or 0) < 2:
            # Checkpoints from before version 2, Caffe2's among them, may leave out the identity statistics.
            state_dict.setdefault(prefix + "running_mean", torch.zeros_like(self.running_mean))
            state_dict.setdefault(prefix + "running_var", torch.ones_like(self.running_var) - self.eps)
        # A live batch norm counts its batches; frozen statistics have no use for the count.
        state_dict.pop(prefix + "num_batches_tracked", None)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return f"num_features={self.num_features}, eps={self.eps}"

    @classmethod
    def convert_frozen_batchnorm(cls, module: nn.Module) -> nn.Module:
        """Replace every batch norm in `module` by its frozen copy.

        Returns:
            `module` itself, changed in place, or a new module if it is a batch norm.
        """
        live = (nn.BatchNorm2d, nn.SyncBatchNorm)
        return _replace(module, live, lambda norm: _copy_norm(norm, cls(norm.num_features, norm.eps)))

    @classmethod
    def convert_frozenbatchnorm2d_to_batchnorm2d(cls, module: nn.Module) -> nn.Module:
        """Replace every frozen norm in `module` by a live `nn.BatchNorm2d` with the same values.

        Returns:
            `module` itself, changed in place, or a new module if it is a frozen norm.
        """
        return _replace(module, (cls,), lambda norm: _copy_norm(norm, nn.BatchNorm2d(norm.num_features, norm.eps)))


def _replace(module: nn.Module, kinds: tuple[type, ...], make: Callable[[Any], nn.Module]) -> nn.Module:
    """Swap each module of the given kinds for what `make` returns, in place below the top."""
    if isinstance(module, kinds):
        return make(module).train(module.training)
    for name, child in module.named_children():
        swapped = _replace(child, kinds, make)
        if swapped is not child:
            module.register_module(name, swapped)
    return module


@torch.no_grad()
def _copy_norm(source: Any, target: nn.Module) -> nn.Module:
    """Copy the four tensors of a batch norm; an absent scale or shift stays the identity."""
    target.to(source.running_mean.device)
    for name in ("weight", "bias", "running_mean", "running_var"):
        if getattr(source, name) is not None:
            getattr(target, name).copy_(getattr(source, name))
    return target
