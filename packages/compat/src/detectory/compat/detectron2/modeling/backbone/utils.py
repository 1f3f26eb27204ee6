"""Components of vision transformers under Detectron2's module path."""

from torch import Tensor

from detectory.modeling.backbone.transformer.layers import (
    PatchEmbed,
    decomposed_rel_pos_bias,
    get_abs_pos,
    get_rel_pos,
    window_partition,
    window_unpartition,
)

__all__ = [
    "PatchEmbed",
    "add_decomposed_rel_pos",
    "get_abs_pos",
    "get_rel_pos",
    "window_partition",
    "window_unpartition",
]


def add_decomposed_rel_pos(
    attn: Tensor, q: Tensor, rel_pos_h: Tensor, rel_pos_w: Tensor, q_size: tuple[int, int], k_size: tuple[int, int]
) -> Tensor:
    """Add decomposed relative position embeddings to attention logits.

    Args:
        attn: Logits `(B, queries, keys)`.
        q: `(B, queries, C)`.
        rel_pos_h: Embeddings of relative heights, `(length, C)`.
        rel_pos_w: Embeddings of relative widths, `(length, C)`.
        q_size: `(height, width)` of the queries.
        k_size: `(height, width)` of the keys.

    Source: Li et al., "MViTv2", 2022, equation 4.
    """
    return attn + decomposed_rel_pos_bias(q, rel_pos_h, rel_pos_w, q_size, k_size).reshape_as(attn)
