"""The transformer of DETR: an encoder of image features and a decoder of object queries."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FeedForward(nn.Module):
    """Two linear layers with a ReLU in between.

    Args:
        channels: Features of input and output.
        hidden: Features in between.
        dropout: Dropout after each layer.
    """

    def __init__(self, channels: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.linear1 = nn.Linear(channels, hidden)
        self.linear2 = nn.Linear(hidden, channels)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, N, channels)` to the same shape."""
        x = F.dropout(F.relu(self.linear1(x)), self.dropout, self.training)
        return F.dropout(self.linear2(x), self.dropout, self.training)


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward network, each with a residual connection and a norm after it.

    Args:
        channels: Features of a token.
        num_heads: Attention heads.
        hidden: Hidden features of the feed-forward network.
        dropout: Dropout of attention weights and of both branches.
        norm_first: Whether the norms precede attention and feed-forward network instead of following the sums.
    """

    def __init__(self, channels: int, num_heads: int, hidden: int, dropout: float, norm_first: bool = False) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(channels, num_heads, dropout, batch_first=True)
        self.ffn = FeedForward(channels, hidden, dropout)
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.dropout = dropout
        self.norm_first = norm_first

    def forward(self, x: Tensor, position: Tensor, mask: Tensor) -> Tensor:
        """Encode tokens `(B, N, channels)` with positions of the same shape; `mask` `(B, N)` is True for padding."""
        if self.norm_first:
            x = x + self._attend(self.norm1(x), position, mask)
            return x + self.ffn(self.norm2(x))
        x = self.norm1(x + self._attend(x, position, mask))
        return self.norm2(x + self.ffn(x))

    def _attend(self, x: Tensor, position: Tensor, mask: Tensor) -> Tensor:
        query = x + position
        attended = self.self_attn(query, query, x, key_padding_mask=mask, need_weights=False)[0]
        return F.dropout(attended, self.dropout, self.training)


class DecoderLayer(nn.Module):
    """Self-attention of the queries, attention to the image, and feed-forward network, each followed by a norm.

    Args:
        channels: Features of a token.
        num_heads: Attention heads.
        hidden: Hidden features of the feed-forward network.
        dropout: Dropout of attention weights and of all branches.
        norm_first: As for `EncoderLayer`.
    """

    def __init__(self, channels: int, num_heads: int, hidden: int, dropout: float, norm_first: bool = False) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(channels, num_heads, dropout, batch_first=True)
        self.cross_attn = nn.MultiheadAttention(channels, num_heads, dropout, batch_first=True)
        self.ffn = FeedForward(channels, hidden, dropout)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(channels) for _ in range(3))
        self.dropout = dropout
        self.norm_first = norm_first

    def forward(self, x: Tensor, query_position: Tensor, memory: Tensor, position: Tensor, mask: Tensor) -> Tensor:
        """Refine queries.

        Args:
            x: Queries `(B, Q, channels)`.
            query_position: Learned positions of the queries, `(B, Q, channels)`.
            memory: Encoded tokens of the image, `(B, N, channels)`.
            position: Positions of these tokens, `(B, N, channels)`.
            mask: `(B, N)` bool, True for padding.

        Returns:
            `(B, Q, channels)`.
        """
        if self.norm_first:
            x = x + self._attend(self.norm1(x), query_position)
            x = x + self._attend_image(self.norm2(x), query_position, memory, position, mask)
            return x + self.ffn(self.norm3(x))
        x = self.norm1(x + self._attend(x, query_position))
        x = self.norm2(x + self._attend_image(x, query_position, memory, position, mask))
        return self.norm3(x + self.ffn(x))

    def _attend(self, x: Tensor, query_position: Tensor) -> Tensor:
        query = x + query_position
        attended = self.self_attn(query, query, x, need_weights=False)[0]
        return F.dropout(attended, self.dropout, self.training)

    def _attend_image(
        self, x: Tensor, query_position: Tensor, memory: Tensor, position: Tensor, mask: Tensor
    ) -> Tensor:
        attended = self.cross_attn(
            x + query_position, memory + position, memory, key_padding_mask=mask, need_weights=False
        )[0]
        return F.dropout(attended, self.dropout, self.training)


class DETRTransformer(nn.Module):
    """Encoder and decoder of DETR.

    Args:
        channels: Features of a token.
        num_heads: Attention heads.
        hidden: Hidden features of the feed-forward networks.
        num_encoder_layers: Number of encoder layers.
        num_decoder_layers: Number of decoder layers.
        dropout: Dropout in training.
        norm_first: Whether the norms of all layers precede attention and feed-forward network; the encoder then has a
            norm after its last layer.

    Source: Carion et al., "End-to-End Object Detection with Transformers", 2020, section 3.2 and Fig. 10.
    """

    def __init__(
        self,
        *,
        channels: int = 256,
        num_heads: int = 8,
        hidden: int = 2048,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dropout: float = 0.1,
        norm_first: bool = False,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.encoder = nn.ModuleList(
            EncoderLayer(channels, num_heads, hidden, dropout, norm_first) for _ in range(num_encoder_layers)
        )
        self.decoder = nn.ModuleList(
            DecoderLayer(channels, num_heads, hidden, dropout, norm_first) for _ in range(num_decoder_layers)
        )
        self.encoder_norm = nn.LayerNorm(channels) if norm_first else nn.Identity()
        self.norm = nn.LayerNorm(channels)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, features: Tensor, position: Tensor, mask: Tensor, queries: Tensor) -> Tensor:
        """Decode objects.

        Args:
            features: `(B, channels, H, W)`.
            position: Encoded positions, of the same shape.
            mask: `(B, H, W)` bool, True for padding.
            queries: Learned positions of the queries, `(Q, channels)`.

        Returns:
            Normalized outputs of all decoder layers, `(L, B, Q, channels)`.
        """
        tokens, position = (x.flatten(2).transpose(1, 2) for x in (features, position))
        padding = mask.flatten(1)
        for layer in self.encoder:
            tokens = layer(tokens, position, padding)
        tokens = self.encoder_norm(tokens)
        query_position = queries.unsqueeze(0).expand(len(tokens), -1, -1)
        x = torch.zeros_like(query_position)
        outputs = []
        for layer in self.decoder:
            x = layer(x, query_position, tokens, position, padding)
            outputs.append(self.norm(x))
        return torch.stack(outputs)
