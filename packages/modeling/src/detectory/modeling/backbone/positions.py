"""Positions of patches: learned absolute ones, and relative ones that split into rows and columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


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
