"""Normalisation layers by name, and the two that torch lacks."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn import functional as F

from detectory.core.distributed import get_world_size
from detectory.core.suggestions import nearest

from .channels_last_norms import BatchNorm2d, GroupNorm
from .frozen_batch_norm import FrozenBatchNorm2d

NormSpec = str | Callable[[int], nn.Module] | None


class LayerNorm(nn.Module):
    """Normalise each pixel over its channels; input and output are `(B, C, H, W)`.

    Args:
        normalized_shape: Channels `C`.
        eps: Added to the variance.
    """

    def __init__(self, normalized_shape: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(normalized_shape))
        self.bias = nn.Parameter(torch.zeros(normalized_shape))
        self.normalized_shape = (normalized_shape,)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised map."""
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class NaiveSyncBatchNorm(BatchNorm2d):
    """Batch norm over all processes by plain gradient-carrying reductions.

    Works on the CPU and with different image sizes per process, where `nn.SyncBatchNorm` does not.
    One process alone behaves as `nn.BatchNorm2d`.

    Args:
        stats_mode: `""` weights all processes equally and rejects empty batches; `"N"` weights a process by its
            number of images, so that an empty batch has no effect.
    """

    def __init__(self, *args: Any, stats_mode: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if stats_mode not in ("", "N"):
            raise ValueError(f"NaiveSyncBatchNorm: stats_mode must be '' or 'N', got {stats_mode!r}")
        self._stats_mode = stats_mode

    def forward(self, input: Tensor) -> Tensor:
        """Normalise `input` of shape `(B, C, H, W)` and, in training, move the running statistics."""
        world = get_world_size()
        if world == 1 or not self.training:
            return super().forward(input)
        images, channels = input.shape[:2]
        if self._stats_mode == "" and images == 0:
            raise ValueError("NaiveSyncBatchNorm: stats_mode='' takes no empty batch, use stats_mode='N'")
        weight = 1.0 / world if self._stats_mode == "" else float(images)
        sums = input.new_zeros(2 * channels + 1)
        if images:
            mean = input.mean((0, 2, 3))
            square = (input * input).mean((0, 2, 3))
            sums = torch.cat([mean, square, input.new_ones(1)]) * weight
        sums = all_reduce(sums)
        total = sums[-1].clamp(min=torch.finfo(sums.dtype).tiny)
        mean, square, _ = (sums / total).split([channels, channels, 1])
        var = square - mean * mean
        if self.track_running_stats:
            step = self.momentum * (sums[-1].detach() > 0)
            self.running_mean += step * (mean.detach() - self.running_mean)
            self.running_var += step * (var.detach() - self.running_var)
        scale = self.weight * torch.rsqrt(var + self.eps)
        shift = self.bias - mean * scale
        return input * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)


class CycleBatchNormList(nn.ModuleList):
    """Share an affine map between several sets of statistics that take turns, one call each.

    A head that runs on several feature levels keeps one set of statistics for each level.

    Args:
        length: Number of sets.
        bn_class: Class of one norm.
        kwargs: Its arguments; `affine` is refused as the list owns the affine map.
    """

    def __init__(self, length: int, bn_class: type[nn.Module] = BatchNorm2d, **kwargs: Any) -> None:
        if "affine" in kwargs:
            raise ValueError("CycleBatchNormList: affine belongs to the list and cannot be an argument")
        super().__init__([bn_class(**kwargs, affine=False) for _ in range(length)])
        first: Any = self[0]
        channels = first.num_features
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self._position = 0

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x` of shape `(B, C, H, W)` with the set whose turn it is."""
        x = self[self._position](x)
        self._position = (self._position + 1) % len(self)
        return x * self.weight.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return f"affine=True, length={len(self)}"


def _group_norm(channels: int) -> GroupNorm:
    return GroupNorm(32, channels)


def _sync_batch_norm_by_images(channels: int) -> NaiveSyncBatchNorm:
    return NaiveSyncBatchNorm(channels, stats_mode="N")


NORMS: dict[str, Callable[[int], nn.Module]] = {
    "BN": BatchNorm2d,
    "SyncBN": nn.SyncBatchNorm,
    "FrozenBN": FrozenBatchNorm2d,
    "GN": _group_norm,
    "LN": LayerNorm,
    "nnSyncBN": nn.SyncBatchNorm,
    "naiveSyncBN": NaiveSyncBatchNorm,
    "naiveSyncBN_N": _sync_batch_norm_by_images,
}


def get_norm(norm: NormSpec, out_channels: int) -> nn.Module | None:
    """Build a normalisation layer for maps of `out_channels` channels.

    Args:
        norm: A key of `NORMS` (`"BN"`, `"SyncBN"`, `"FrozenBN"`, `"GN"`, `"LN"`, …), a callable
            that takes the number of channels, or `""` / `None` for none.
        out_channels: Channels of the layer's input.

    Returns:
        The layer, or `None` where none is wanted.

    Raises:
        ValueError: If the name is unknown.
    """
    if norm is None or norm == "":
        return None
    if callable(norm):
        return norm(out_channels)
    if norm not in NORMS:
        raise ValueError(f"get_norm: unknown norm {norm!r}; {nearest(norm, NORMS)}")
    return NORMS[norm](out_channels)
