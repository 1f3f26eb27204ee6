"""Blocks of the Swin transformer.

Source: Liu et al., "Swin Transformer", 2021, sections 3.1 and 3.2.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.layers import DropPath

from .layers import Mlp, window_partition, window_unpartition


class WindowAttention(nn.Module):
    """Multi-head self-attention within windows, with a learned bias for each relative position.

    Args:
        dim: Channels of input and output.
        window_size: `(height, width)` of a window.
        num_heads: Number of attention heads.
        qkv_bias: Whether the projections to queries, keys and values have a bias.
        qk_scale: Scale of the attention logits; `None` for `head_dim ** -0.5`.
        attn_drop: Dropout probability of the attention weights.
        proj_drop: Dropout probability of the output.

    Source: Liu et al., "Swin Transformer", 2021, equation 4.
    """

    def __init__(
        self,
        dim: int,
        window_size: tuple[int, int],
        num_heads: int,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.window_size = window_size
        self.num_heads = num_heads
        self.scale = qk_scale or (dim // num_heads) ** -0.5
        self.attn_drop = attn_drop
        height, width = window_size
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * height - 1) * (2 * width - 1), num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        cells = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"), dim=-1)
        cells = cells.reshape(-1, 2)  # (h * w, 2)
        # Offsets between all pairs of cells, shifted to start from 0, then flattened to rows of the bias table.
        offsets = cells[:, None] - cells[None, :] + torch.tensor([height - 1, width - 1])  # (h * w, h * w, 2)
        index = offsets[..., 0] * (2 * width - 1) + offsets[..., 1]
        # Persistent, although it follows from the window size: published checkpoints contain it.
        self.relative_position_index: Tensor
        self.register_buffer("relative_position_index", index)
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(proj_drop)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Apply attention within each window.

        Args:
            x: Windows `(B * n, h * w, dim)`; the `n` windows of an image are adjacent.
            mask: `(n, h * w, h * w)`, added to the attention logits; `None` for no mask. See `shifted_window_mask`.

        Returns:
            A tensor of the shape of `x`.
        """
        windows, positions, dim = x.shape
        qkv = self.qkv(x).reshape(windows, positions, 3, self.num_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B * n, heads, h * w, dim / heads)
        bias = self.relative_position_bias_table[self.relative_position_index.flatten()]
        bias = bias.view(positions, positions, -1).permute(2, 0, 1)[None]  # (1, heads, h * w, h * w)
        if mask is not None:
            bias = (bias + mask[:, None]).repeat(windows // len(mask), 1, 1, 1)
        drop = self.attn_drop if self.training else 0.0
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype), dropout_p=drop, scale=self.scale)
        return self.proj_drop(self.proj(x.transpose(1, 2).reshape(windows, positions, dim)))


class SwinTransformerBlock(nn.Module):
    """Pre-norm transformer block: (shifted) window attention and MLP, each in a residual branch.

    Args:
        dim: Channels of input and output.
        num_heads: Number of attention heads.
        window_size: Side length of the attention windows.
        shift_size: Offset of the windows in cells, less than `window_size`; 0 for regular windows.
        mlp_ratio: Hidden channels of the MLP, relative to `dim`.
        qkv_bias: Whether the projections to queries, keys and values have a bias.
        qk_scale: Scale of the attention logits; `None` for `head_dim ** -0.5`.
        drop: Dropout probability of MLP and projection.
        attn_drop: Dropout probability of the attention weights.
        drop_path: Probability of dropping a residual branch in training.
        act_layer: Factory of the activation.
        norm_layer: Factory of norms over the last dimension.

    Raises:
        ValueError: If `shift_size` is not in [0, window_size).
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: int = 7,
        shift_size: int = 0,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop: float = 0.0,
        attn_drop: float = 0.0,
        drop_path: float = 0.0,
        act_layer: Callable[[], nn.Module] = nn.GELU,
        norm_layer: Callable[[int], nn.Module] = nn.LayerNorm,
    ) -> None:
        super().__init__()
        if not 0 <= shift_size < window_size:
            raise ValueError(f"SwinTransformerBlock: shift_size must be in [0, {window_size}), got {shift_size}")
        self.window_size = window_size
        self.shift_size = shift_size
        self.norm1 = norm_layer(dim)
        size = (window_size, window_size)
        self.attn = WindowAttention(dim, size, num_heads, qkv_bias, qk_scale, attn_drop, drop)
        self.drop_path = DropPath(drop_path) if drop_path > 0 else nn.Identity()
        self.norm2 = norm_layer(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), act_layer, drop)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, H, W, dim)` to the same shape."""
        shortcut = x
        height, width = x.shape[1:3]
        x = self.norm1(x)
        # Padding precedes the shift: the rolled feature map must consist of whole windows.
        x = F.pad(x, (0, 0, 0, -width % self.window_size, 0, -height % self.window_size))
        padded_size = (x.shape[1], x.shape[2])
        mask = None
        if self.shift_size:
            x = torch.roll(x, (-self.shift_size, -self.shift_size), dims=(1, 2))
            mask = shifted_window_mask(padded_size, self.window_size, self.shift_size, x)
        windows, _ = window_partition(x, self.window_size)
        windows = self.attn(windows.flatten(1, 2), mask).view(windows.shape)
        x = window_unpartition(windows, self.window_size, padded_size, padded_size)
        if self.shift_size:
            x = torch.roll(x, (self.shift_size, self.shift_size), dims=(1, 2))
        x = shortcut + self.drop_path(x[:, :height, :width])
        return x + self.drop_path(self.mlp(self.norm2(x)))


def shifted_window_mask(size: tuple[int, int], window_size: int, shift_size: int, like: Tensor) -> Tensor:
    """Return the attention mask of shifted windows.

    After the cyclic shift, the last windows of each axis contain cells from opposite borders of the image, which must
    not attend to each other.

    Args:
        size: Padded `(height, width)`.
        window_size: Side length of the windows.
        shift_size: Number of cells that the feature map was rolled by.
        like: Tensor with the dtype and device of the result.

    Returns:
        `(n, h * w, h * w)` for the `n` windows of an image: 0 between cells of the same image region, -100 otherwise.

    Source: Liu et al., "Swin Transformer", 2021, Fig. 4.
    """

    def region_along_axis(length: int) -> Tensor:
        """Return 0 for cells of regular windows, and 1 and 2 for the two image regions in the last window."""
        position = torch.arange(length, device=like.device)
        return (position >= length - window_size).long() + (position >= length - shift_size).long()

    regions = region_along_axis(size[0])[:, None] * 3 + region_along_axis(size[1])[None, :]  # (H, W)
    windows, _ = window_partition(regions[None, :, :, None], window_size)
    labels = windows.flatten(1)  # (n, h * w)
    is_other_region = labels[:, None, :] != labels[:, :, None]
    return is_other_region.to(like.dtype) * -100.0


class PatchMerging(nn.Module):
    """Downsampling by 2: the features of 2×2 neighboring cells are concatenated and projected to twice the channels.

    Args:
        dim: Channels of the input.
        norm_layer: Factory of norms over the last dimension.
    """

    def __init__(self, dim: int, norm_layer: Callable[[int], nn.Module] = nn.LayerNorm) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, H, W, dim)` to `(B, ceil(H / 2), ceil(W / 2), 2 * dim)`."""
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        # Column by column, as in the published checkpoints.
        cells = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(cells, dim=-1)))
