"""Blocks of a Swin transformer.

Source: Liu et al., "Swin Transformer", 2021, sections 3.1 and 3.2.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.layers import DropPath

from .transformer_layers import Mlp, window_partition, window_unpartition


class WindowAttention(nn.Module):
    """Self-attention within a window, with a learned bias for every relative position.

    Args:
        dim: Channels.
        window_size: `(height, width)` of a window.
        num_heads: Heads.
        qkv_bias: Whether queries, keys and values have a bias.
        qk_scale: Factor of the logits; `None` for one over the root of a head's channels.
        attn_drop: Share of attention weights dropped in training.
        proj_drop: Share of outputs dropped in training.
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
        cells = cells.reshape(-1, 2)
        apart = cells[:, None] - cells[None, :] + torch.tensor([height - 1, width - 1])  # (hw, hw, 2), from zero on
        # Published checkpoints hold this table of indices.
        self.relative_position_index: Tensor
        self.register_buffer("relative_position_index", apart[..., 0] * (2 * width - 1) + apart[..., 1])
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(proj_drop)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend within windows.

        Args:
            x: `(B * n, h * w, dim)`, the `n` windows of an image together.
            mask: `(n, h * w, h * w)` added to the logits, minus infinity between positions that must not meet.
        """
        windows, positions, dim = x.shape
        q, k, v = self.qkv(x).reshape(windows, positions, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        bias = self.relative_position_bias_table[self.relative_position_index.flatten()]
        bias = bias.view(positions, positions, -1).permute(2, 0, 1)[None]  # (1, heads, hw, hw)
        if mask is not None:
            bias = (bias + mask[:, None]).repeat(windows // len(mask), 1, 1, 1)
        drop = self.attn_drop if self.training else 0.0
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype), dropout_p=drop, scale=self.scale)
        return self.proj_drop(self.proj(x.transpose(1, 2).reshape(windows, positions, dim)))


class SwinTransformerBlock(nn.Module):
    """Window attention and an MLP, each with a norm before and a shortcut around it.

    Args:
        dim: Channels.
        num_heads: Heads.
        window_size: Side of a window.
        shift_size: Cells that the windows are shifted by, below `window_size`.
        mlp_ratio: Hidden numbers of the MLP for each channel.
        qkv_bias: Whether queries, keys and values have a bias.
        qk_scale: Factor of the logits; `None` for one over the root of a head's channels.
        drop: Share of numbers dropped in training.
        attn_drop: Share of attention weights dropped in training.
        drop_path: Probability that a branch is left out in training.
        act_layer: Makes the activation.
        norm_layer: Makes a norm over the last dimension.
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
        shortcut, (height, width) = x, x.shape[1:3]
        x = self.norm1(x)
        # The shift must act on the padded map, so that its parts stay whole windows.
        x = F.pad(x, (0, 0, 0, -width % self.window_size, 0, -height % self.window_size))
        padded = (x.shape[1], x.shape[2])
        mask = None
        if self.shift_size:
            x = torch.roll(x, (-self.shift_size, -self.shift_size), dims=(1, 2))
            mask = shifted_window_mask(padded, self.window_size, self.shift_size, x)
        windows, _ = window_partition(x, self.window_size)
        windows = self.attn(windows.flatten(1, 2), mask).view(windows.shape)
        x = window_unpartition(windows, self.window_size, padded, padded)
        if self.shift_size:
            x = torch.roll(x, (self.shift_size, self.shift_size), dims=(1, 2))
        x = shortcut + self.drop_path(x[:, :height, :width])
        return x + self.drop_path(self.mlp(self.norm2(x)))


def shifted_window_mask(size: tuple[int, int], window_size: int, shift_size: int, like: Tensor) -> Tensor:
    """Forbid attention between parts of a window that lie at opposite ends of the image.

    Args:
        size: Padded `(height, width)`.
        window_size: Side of a window.
        shift_size: Cells that the map was rolled by.
        like: Tensor whose type and device the result has.

    Returns:
        `(n, h * w, h * w)`, 0 where two positions may meet, else -100.
    """

    def band(length: int) -> Tensor:
        position = torch.arange(length, device=like.device)
        return (position >= length - window_size).long() + (position >= length - shift_size).long()

    regions = band(size[0])[:, None] * 3 + band(size[1])[None, :]  # (H, W)
    windows, _ = window_partition(regions[None, :, :, None], window_size)
    labels = windows.flatten(1)  # (n, hw)
    apart = labels[:, None, :] != labels[:, :, None]
    return apart.to(like.dtype) * -100.0


class PatchMerging(nn.Module):
    """Join each 2×2 cells to one with twice the channels.

    Args:
        dim: Channels of the input.
        norm_layer: Makes a norm over the last dimension.
    """

    def __init__(self, dim: int, norm_layer: Callable[[int], nn.Module] = nn.LayerNorm) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, H, W, dim)` to `(B, ceil(H / 2), ceil(W / 2), 2 * dim)`."""
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        # Order of the checkpoints: column by column within the four cells.
        cells = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(cells, dim=-1)))
