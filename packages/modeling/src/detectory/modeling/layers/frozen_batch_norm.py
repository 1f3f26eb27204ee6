"""Batch normalization with constant statistics and affine parameters."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .channels_last_norms import BatchNorm2d


class FrozenBatchNorm2d(nn.Module):
    """Batch norm with constant tensors: a fixed affine map per channel.

    A new module is the identity. Caffe2 checkpoints contain only `weight` and `bias`, with the statistics already
    folded in; the statistics of the module then remain those of the identity.

    Args:
        num_features: Channels of the input.
        eps: Constant added to the variance.
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
        # Set only by `convert_frozen_batchnorm`, so that a frozen model has the state-dict names of its original.
        self.num_batches_tracked: Tensor | None
        self.register_buffer("num_batches_tracked", None)

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Return `scale` and `shift`, both `(C,)`, such that the output is `x * scale + shift`."""
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        return scale, self.bias - self.running_mean * scale

    def fold(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the weight and bias of a convolution that is equivalent to a convolution followed by this norm.

        `norm(conv(x, w)) = conv(x, w * scale) + shift`: scaling the weight instead of the output saves a pass over the
        activations in forward and backward, and autograd still yields the gradient of the original weight.

        Args:
            weight: Weight of the convolution, `(C, …)`.
            bias: Bias of the convolution, `(C,)`, or `None`.

        Source: Jacob et al., "Quantization and Training of Neural Networks", 2018, section 3.2.
        """
        scale, shift = self.scale_and_shift()
        if bias is not None:
            shift = shift + bias * scale
        scale = scale.reshape(-1, *[1] * (weight.dim() - 1))
        return weight * scale.to(weight.dtype), shift.to(weight.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to the same shape and dtype."""
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
        )

    def _load_from_state_dict(self, state_dict: dict, prefix: str, local_metadata: Mapping, *rest: object) -> None:
        if (local_metadata.get("version") or 0) < 2:
            # Checkpoints older than version 2, such as Caffe2's, may lack the statistics of the identity.
            state_dict.setdefault(prefix + "running_mean", torch.zeros_like(self.running_mean))
            state_dict.setdefault(prefix + "running_var", torch.ones_like(self.running_var) - self.eps)
        # Checkpoints of trainable batch norms contain a batch counter.
        if self.num_batches_tracked is None:
            state_dict.pop(prefix + "num_batches_tracked", None)
        else:
            state_dict.setdefault(prefix + "num_batches_tracked", self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def extra_repr(self) -> str:
        """Return the arguments that `print` shows."""
        return f"num_features={self.num_features}, eps={self.eps}"

    @classmethod
    def convert_frozen_batchnorm(cls, module: nn.Module) -> nn.Module:
        """Replace every batch norm in `module` by a frozen one with the same values.

        Returns:
            `module`, modified in place, or a new module if `module` itself is a batch norm.
        """
        live = (nn.BatchNorm2d, nn.SyncBatchNorm)
        return _replace(module, live, lambda norm: _copy_norm(norm, cls(norm.num_features, norm.eps)))

    @classmethod
    def convert_frozenbatchnorm2d_to_batchnorm2d(cls, module: nn.Module) -> nn.Module:
        """Replace every frozen batch norm in `module` by an `nn.BatchNorm2d` with the same values.

        Returns:
            `module`, modified in place, or a new module if `module` itself is a frozen batch norm.
        """
        return _replace(module, (cls,), lambda norm: _copy_norm(norm, BatchNorm2d(norm.num_features, norm.eps)))


def _replace(module: nn.Module, classes: tuple[type, ...], make: Callable[[Any], nn.Module]) -> nn.Module:
    """Replace each submodule of the given classes by the result of `make`; return the module."""
    if isinstance(module, classes):
        return make(module).train(module.training)
    for name, child in module.named_children():
        swapped = _replace(child, classes, make)
        if swapped is not child:
            module.register_module(name, swapped)
    return module


@torch.no_grad()
def _copy_norm(source: Any, target: nn.Module) -> nn.Module:
    """Copy the tensors of a batch norm to `target`; missing affine parameters leave those of the identity."""
    target.to(source.running_mean.device)
    for name in ("weight", "bias", "running_mean", "running_var"):
        if getattr(source, name) is not None:
            getattr(target, name).copy_(getattr(source, name))
    if source.num_batches_tracked is not None:
        target.num_batches_tracked = source.num_batches_tracked.clone()
    return target
