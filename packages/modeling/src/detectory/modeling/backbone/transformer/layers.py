"""Layers that the transformer backbones share: patches, MLP, position embeddings and windows.

Feature maps within transformers have the channels last, `(B, H, W, C)`.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint


class PatchEmbed(nn.Module):
    """Embedding of image patches by a strided convolution.

    Args:
        kernel_size: `(height, width)` of a patch in pixels.
        stride: Vertical and horizontal distance of the patches in pixels.
        padding: Rows and columns of zeros added on each side.
        in_chans: Channels of the image.
        embed_dim: Channels of the output.
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
        """Map images `(B, in_chans, H, W)` to `(B, H', W', embed_dim)`."""
        return self.proj(x).permute(0, 2, 3, 1)


class Mlp(nn.Module):
    """Multilayer perceptron with one hidden layer, applied to the last dimension.

    Args:
        dim: Channels of input and output.
        hidden: Channels of the hidden layer.
        act_layer: Factory of the activation.
        drop: Dropout probability after each linear layer.
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
    """Initialize linear layers with a truncated normal distribution (std 0.02) and layer norms with the identity."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)


def drop_path_rates(drop_path_rate: float, depth: int) -> list[float]:
    """Return the drop-path probability of each of `depth` blocks, which grows linearly from 0 to `drop_path_rate`.

    Source: Huang et al., "Deep Networks with Stochastic Depth", 2016, equation 4.
    """
    return [drop_path_rate * i / max(depth - 1, 1) for i in range(depth)]


def run_block(block: nn.Module, x: Tensor, use_checkpoint: bool) -> Tensor:
    """Return `block(x)`, with activation checkpointing if requested."""
    return checkpoint(block, x, use_reentrant=False) if use_checkpoint else block(x)


def make_abs_pos(num_patches: int, has_cls_token: bool, dim: int) -> nn.Parameter:
    """Return randomly initialized absolute position embeddings `(1, num_patches + has_cls_token, dim)`."""
    abs_pos = nn.Parameter(torch.zeros(1, num_patches + int(has_cls_token), dim))
    nn.init.trunc_normal_(abs_pos, std=0.02)
    return abs_pos


def get_abs_pos(abs_pos: Tensor, has_cls_token: bool, hw: Sequence[int]) -> Tensor:
    """Return absolute position embeddings for a feature map, resized if its size differs from the one in pre-training.

    Args:
        abs_pos: `(1, N, C)` embeddings of a square grid, preceded by the one of the class token if there is one.
        has_cls_token: Whether the first embedding belongs to a class token. It is discarded.
        hw: `(height, width)` of the feature map.

    Returns:
        `(1, height, width, C)`, resized bicubically.

    Raises:
        ValueError: If the grid is not square.
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


def make_rel_pos(max_size: int, dim: int, zero_init: bool) -> nn.Parameter:
    """Return the embeddings `(2 * max_size - 1, dim)` of all distances between two of `max_size` positions."""
    rel_pos = nn.Parameter(torch.zeros(2 * max_size - 1, dim))
    if not zero_init:
        nn.init.trunc_normal_(rel_pos, std=0.02)
    return rel_pos


def get_rel_pos(q_size: int, k_size: int, rel_pos: Tensor) -> Tensor:
    """Return the embedding of the distance between each query and each key along one axis.

    If queries and keys have different resolutions, the positions of the coarser one are scaled to the finer one.

    Args:
        q_size: Number of query positions.
        k_size: Number of key positions.
        rel_pos: `(L, C)` embeddings of distances, in ascending order. Resized linearly if `L` differs from
            `2 * max(q_size, k_size) - 1`.

    Returns:
        `(q_size, k_size, C)`.
    """
    num_distances = 2 * max(q_size, k_size) - 1
    if rel_pos.shape[0] != num_distances:
        rel_pos = F.interpolate(rel_pos.T[None], size=num_distances, mode="linear")[0].T
    device = rel_pos.device
    q = torch.arange(q_size, device=device)[:, None] * max(k_size / q_size, 1.0)
    k = torch.arange(k_size, device=device)[None, :] * max(q_size / k_size, 1.0)
    # The offset makes the smallest distance, from the first query to the last key, index 0.
    return rel_pos[(q - k + (k_size - 1) * max(q_size / k_size, 1.0)).long()]


def decomposed_rel_pos_bias(
    q: Tensor, rel_pos_h: Tensor, rel_pos_w: Tensor, q_size: Sequence[int], k_size: Sequence[int]
) -> Tensor:
    """Return the attention bias of relative positions, the sum of a vertical and a horizontal term.

    The decomposition needs `O(H + W)` embeddings instead of one per offset, `O(H * W)`. Unlike Swin's, the bias depends
    on the content of the queries.

    Args:
        q: `(B, q_h * q_w, C)` queries before scaling.
        rel_pos_h: Embeddings of vertical distances, see `get_rel_pos`.
        rel_pos_w: Embeddings of horizontal distances.
        q_size: `(q_h, q_w)`.
        k_size: `(k_h, k_w)`.

    Returns:
        `(B, q_h * q_w, k_h * k_w)`, to be added to the attention logits.

    Source: Li et al., "MViTv2", 2022, equations 3 and 4.
    """
    grid = q.reshape(q.shape[0], *q_size, -1)
    vertical = torch.einsum("bhwc,hkc->bhwk", grid, get_rel_pos(q_size[0], k_size[0], rel_pos_h))
    horizontal = torch.einsum("bhwc,wkc->bhwk", grid, get_rel_pos(q_size[1], k_size[1], rel_pos_w))
    bias = vertical[..., :, None] + horizontal[..., None, :]  # (B, q_h, q_w, k_h, k_w)
    return bias.reshape(q.shape[0], q_size[0] * q_size[1], k_size[0] * k_size[1])


def window_partition(x: Tensor, window_size: int) -> tuple[Tensor, tuple[int, int]]:
    """Split feature maps into non-overlapping windows, after zero padding at the right and the bottom if necessary.

    Args:
        x: `(B, H, W, C)`.
        window_size: Side length of the square windows.

    Returns:
        The windows `(B * n, window_size, window_size, C)`, image by image and row by row; and the padded
        `(height, width)`.
    """
    batch, height, width, channels = x.shape
    pad_h, pad_w = -height % window_size, -width % window_size
    if pad_h or pad_w:
        x = F.pad(x, (0, 0, 0, pad_w, 0, pad_h))
    height, width = height + pad_h, width + pad_w
    x = x.view(batch, height // window_size, window_size, width // window_size, window_size, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window_size, window_size, channels), (height, width)


def window_unpartition(windows: Tensor, window_size: int, pad_hw: Sequence[int], hw: Sequence[int]) -> Tensor:
    """Merge windows into feature maps and remove the padding, the inverse of `window_partition`.

    Args:
        windows: `(B * n, window_size, window_size, C)`.
        window_size: Side length of the windows.
        pad_hw: `(height, width)` with padding.
        hw: `(height, width)` without padding.

    Returns:
        `(B, height, width, C)`.
    """
    height, width = pad_hw
    rows, columns = height // window_size, width // window_size
    x = windows.view(-1, rows, columns, window_size, window_size, windows.shape[-1])
    x = x.permute(0, 1, 3, 2, 4, 5).reshape(-1, height, width, windows.shape[-1])
    return x[:, : hw[0], : hw[1]].contiguous() if (height, width) != tuple(hw) else x
