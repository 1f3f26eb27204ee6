"""Layers that the transformer backbones share: patches, MLP, position embeddings and windows."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PatchEmbed(nn.Module):
    """Turn an image into a map of embedded patches by one strided convolution.

    Args:
        kernel_size: Size of a patch.
        stride: Distance of patches.
        padding: Zeros around the image.
        in_chans: Channels of the image.
        embed_dim: Numbers of an embedding.
    """

    def __init__(
        self,
        kernel_size: tuple[int, int] = (16, 16),
        stride: tuple[int, int] = (16, 16),
        padding: tuple[int, int] = (0, 0),
        in_chans: int = 3,
        embed_dim: int = 768,
    ) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_chans, embed_dim, kernel_size, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to `(B, H', W', embed_dim)`."""
        return self.proj(x).permute(0, 2, 3, 1)


class Mlp(nn.Module):
    """Two linear layers around an activation, on the last dimension.

    Args:
        dim: Numbers of input and output.
        hidden: Numbers between.
        act_layer: Makes the activation.
        drop: Share of numbers dropped behind each layer in training.
    """

    def __init__(self, dim: int, hidden: int, act_layer: Callable[[], nn.Module] = nn.GELU, drop: float = 0.0) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = act_layer()
        self.fc2 = nn.Linear(hidden, dim)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(…, dim)` to `(…, dim)`."""
        return self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))


def init_transformer_weights(module: nn.Module) -> None:
    """Start a linear layer from a narrow normal distribution and a layer norm from the identity."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)


def get_abs_pos(abs_pos: Tensor, has_cls_token: bool, hw: Sequence[int]) -> Tensor:
    """Bring absolute position embeddings to the size of a map.

    Args:
        abs_pos: `(1, N, C)` of a square grid, the class token's first if there is one.
        has_cls_token: Whether there is one; it is left out.
        hw: Wanted `(height, width)`.

    Returns:
        `(1, height, width, C)`, resized bicubically where the size differs.
    """
    if has_cls_token:
        abs_pos = abs_pos[:, 1:]
    side = math.isqrt(abs_pos.shape[1])
    if side * side != abs_pos.shape[1]:
        raise ValueError(f"get_abs_pos: abs_pos must belong to a square grid, got {abs_pos.shape[1]} positions")
    grid = abs_pos.reshape(1, side, side, -1)
    if (side, side) == tuple(hw):
        return grid
    grid = F.interpolate(grid.permute(0, 3, 1, 2), size=tuple(hw), mode="bicubic", align_corners=False)
    return grid.permute(0, 2, 3, 1)


def get_rel_pos(q_size: int, k_size: int, rel_pos: Tensor) -> Tensor:
    """Look up the embedding of every pair of positions along one side.

    Args:
        q_size: Number of query positions.
        k_size: Number of key positions; of the two sizes the smaller one takes larger steps.
        rel_pos: Embeddings `(L, C)` of distances, most negative first, resized linearly where `L` does not fit.

    Returns:
        `(q_size, k_size, C)`.
    """
    distances = 2 * max(q_size, k_size) - 1
    if rel_pos.shape[0] != distances:
        rel_pos = F.interpolate(rel_pos.T[None], size=distances, mode="linear")[0].T
    device = rel_pos.device
    q = torch.arange(q_size, device=device)[:, None] * max(k_size / q_size, 1.0)
    k = torch.arange(k_size, device=device)[None, :] * max(q_size / k_size, 1.0)
    return rel_pos[(q - k + (k_size - 1) * max(q_size / k_size, 1.0)).long()]


def decomposed_rel_pos_bias(
    q: Tensor, rel_pos_h: Tensor, rel_pos_w: Tensor, q_size: Sequence[int], k_size: Sequence[int]
) -> Tensor:
    """Return what relative positions add to the attention logits: a part for the rows and one for the columns.

    Args:
        q: Queries `(B, q_h * q_w, C)`, not scaled.
        rel_pos_h: Embeddings of vertical distances.
        rel_pos_w: Embeddings of horizontal distances.
        q_size: `(q_h, q_w)`.
        k_size: `(k_h, k_w)`.

    Returns:
        `(B, q_h * q_w, k_h * k_w)`.

    Source: Li et al., "MViTv2", 2022, equations 3 and 4.
    """
    grid = q.reshape(q.shape[0], *q_size, -1)
    rows = torch.einsum("bhwc,hkc->bhwk", grid, get_rel_pos(q_size[0], k_size[0], rel_pos_h))
    columns = torch.einsum("bhwc,wkc->bhwk", grid, get_rel_pos(q_size[1], k_size[1], rel_pos_w))
    bias = rows[..., :, None] + columns[..., None, :]  # (B, q_h, q_w, k_h, k_w)
    return bias.reshape(q.shape[0], q_size[0] * q_size[1], k_size[0] * k_size[1])


def window_partition(x: Tensor, window_size: int) -> tuple[Tensor, tuple[int, int]]:
    """Cut `(B, H, W, C)` into windows, padded with zeros at the right and the bottom where they do not fit.

    Returns:
        Windows `(B * n, window_size, window_size, C)`, those of an image together and row by row, and the
        padded `(height, width)`.
    """
    batch, height, width, channels = x.shape
    pad_h, pad_w = -height % window_size, -width % window_size
    if pad_h or pad_w:
        x = F.pad(x, (0, 0, 0, pad_w, 0, pad_h))
    height, width = height + pad_h, width + pad_w
    x = x.view(batch, height // window_size, window_size, width // window_size, window_size, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window_size, window_size, channels), (height, width)


def window_unpartition(windows: Tensor, window_size: int, pad_hw: Sequence[int], hw: Sequence[int]) -> Tensor:
    """Undo `window_partition`.

    Args:
        windows: `(B * n, window_size, window_size, C)`.
        window_size: Side of a window.
        pad_hw: Padded `(height, width)`.
        hw: `(height, width)` before padding.

    Returns:
        `(B, height, width, C)`.
    """
    height, width = pad_hw
    rows, columns = height // window_size, width // window_size
    x = windows.view(-1, rows, columns, window_size, window_size, windows.shape[-1])
    x = x.permute(0, 1, 3, 2, 4, 5).reshape(-1, height, width, windows.shape[-1])
    return x[:, : hw[0], : hw[1]].contiguous() if (height, width) != tuple(hw) else x
