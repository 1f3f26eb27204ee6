"""Encoder and decoder of Deformable DETR."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.detr.transformer import FeedForward

from .attention import DeformableAttention, FeatureTokens


class DeformableEncoderLayer(nn.Module):
    """Deformable self-attention and feed-forward network, each with a residual connection and a norm after it.

    Args:
        channels: Features of a token.
        num_heads: Attention heads.
        hidden: Hidden features of the feed-forward network.
        num_levels: Number of feature maps.
        num_points: Points per head and feature map.
        dropout: Dropout of both branches.
    """

    def __init__(
        self, channels: int, num_heads: int, hidden: int, num_levels: int, num_points: int, dropout: float
    ) -> None:
        super().__init__()
        self.self_attn = DeformableAttention(channels, num_heads, num_levels, num_points)
        self.ffn = FeedForward(channels, hidden, dropout)
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.dropout = dropout

    def forward(self, x: Tensor, position: Tensor, references: Tensor, tokens: FeatureTokens) -> Tensor:
        """Encode tokens `(B, S, channels)` with positions of the same shape."""
        attended = self.self_attn(x + position, references, x, tokens)
        x = self.norm1(x + F.dropout(attended, self.dropout, self.training))
        return self.norm2(x + self.ffn(x))


class DeformableDecoderLayer(nn.Module):
    """Self-attention of the queries, deformable attention to the image, and feed-forward network.

    Args:
        channels: Features of a token.
        num_heads: Attention heads.
        hidden: Hidden features of the feed-forward network.
        num_levels: Number of feature maps.
        num_points: Points per head and feature map.
        dropout: Dropout of attention weights and of all branches.
    """

    def __init__(
        self, channels: int, num_heads: int, hidden: int, num_levels: int, num_points: int, dropout: float
    ) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(channels, num_heads, dropout, batch_first=True)
        self.cross_attn = DeformableAttention(channels, num_heads, num_levels, num_points)
        self.ffn = FeedForward(channels, hidden, dropout)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(channels) for _ in range(3))
        self.dropout = dropout

    def forward(
        self, x: Tensor, query_position: Tensor, references: Tensor, memory: Tensor, tokens: FeatureTokens
    ) -> Tensor:
        """Refine queries `(B, Q, channels)` with references as in `DeformableAttention`."""
        query = x + query_position
        attended = self.self_attn(query, query, x, need_weights=False)[0]
        x = self.norm1(x + F.dropout(attended, self.dropout, self.training))
        attended = self.cross_attn(x + query_position, references, memory, tokens)
        x = self.norm2(x + F.dropout(attended, self.dropout, self.training))
        return self.norm3(x + self.ffn(x))


class DeformableTransformer(nn.Module):
    """Encoder and decoder of Deformable DETR.

    Args:
        channels: Features of a token.
        num_heads: Attention heads.
        hidden: Hidden features of the feed-forward networks.
        num_levels: Number of feature maps.
        num_points: Points per head and feature map.
        num_encoder_layers: Number of encoder layers.
        num_decoder_layers: Number of decoder layers.
        dropout: Dropout in training.

    Source: Zhu et al., "Deformable DETR: Deformable Transformers for End-to-End Object Detection", 2021, section 4.
    """

    def __init__(
        self,
        *,
        channels: int = 256,
        num_heads: int = 8,
        hidden: int = 1024,
        num_levels: int = 4,
        num_points: int = 4,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.num_levels = num_levels
        settings = (channels, num_heads, hidden, num_levels, num_points, dropout)
        self.encoder = nn.ModuleList(DeformableEncoderLayer(*settings) for _ in range(num_encoder_layers))
        self.decoder = nn.ModuleList(DeformableDecoderLayer(*settings) for _ in range(num_decoder_layers))
        self.level_embed = nn.Parameter(torch.randn(num_levels, channels))

    def encode(self, features: list[Tensor], positions: list[Tensor], tokens: FeatureTokens) -> Tensor:
        """Return the encoded tokens `(B, S, channels)` of feature maps `(B, channels, H, W)` with encoded positions."""
        x = torch.cat([level.flatten(2) for level in features], dim=2).transpose(1, 2)
        position = torch.cat(
            [p.flatten(2).transpose(1, 2) + e for p, e in zip(positions, self.level_embed, strict=True)], dim=1
        )
        references = _cell_centers(features, tokens)
        for layer in self.encoder:
            x = layer(x, position, references, tokens)
        return x

    def decode(
        self,
        queries: Tensor,
        query_position: Tensor,
        references: Tensor,
        memory: Tensor,
        tokens: FeatureTokens,
        refine: Callable[[int, Tensor, Tensor], Tensor] | None,
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Decode objects.

        Args:
            queries: `(B, Q, channels)`.
            query_position: `(B, Q, channels)`.
            references: Points `(B, Q, 2)` or boxes `(B, Q, 4)`, relative to the image without padding.
            memory: Encoded tokens.
            tokens: The structure of `memory`.
            refine: Returns the boxes `(B, Q, 4)` of a decoder layer from its number, its output and its references;
                the next layer uses these boxes as references.

        Returns:
            The outputs `(B, Q, channels)` and the references of each layer.
        """
        outputs, all_references = [], []
        for i, layer in enumerate(self.decoder):
            ratios = tokens.valid_ratios[:, None]  # (B, 1, L, 2)
            if references.shape[-1] == 4:
                ratios = torch.cat((ratios, ratios), dim=-1)
            queries = layer(queries, query_position, references[:, :, None] * ratios, memory, tokens)
            outputs.append(queries)
            all_references.append(references)
            if refine is not None:
                references = refine(i, queries, references).detach()
        return outputs, all_references


def _cell_centers(features: list[Tensor], tokens: FeatureTokens) -> Tensor:
    """Return the center of every cell relative to each level with its padding, `(B, S, L, 2)`."""
    centers = []
    for i, level in enumerate(features):
        height, width = level.shape[-2:]
        y = torch.arange(height, dtype=torch.float32, device=level.device) + 0.5
        x = torch.arange(width, dtype=torch.float32, device=level.device) + 0.5
        grid = torch.stack(torch.meshgrid(x / width, y / height, indexing="xy"), dim=-1)  # (H, W, 2)
        centers.append(grid.reshape(1, -1, 2) / tokens.valid_ratios[:, None, i])
    return torch.cat(centers, dim=1)[:, :, None] * tokens.valid_ratios[:, None]
