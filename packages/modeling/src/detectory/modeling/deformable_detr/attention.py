"""Multi-scale deformable attention as a module."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from detectory import ops


@dataclass(frozen=True)
class FeatureTokens:
    """The cells of several feature maps as tokens of one sequence.

    Args:
        mask: `(B, S)` bool, True for padding.
        shapes: `(L, 2)` int64: height and width of each level.
        starts: `(L,)` int64: index of the first token of each level.
        valid_ratios: `(B, L, 2)`: fraction of the width and of the height of each level that is not padding.
    """

    mask: Tensor
    shapes: Tensor
    starts: Tensor
    valid_ratios: Tensor


class DeformableAttention(nn.Module):
    """Attention of queries to a few points around their reference, in all feature maps.

    Args:
        channels: Features of a token.
        num_heads: Attention heads.
        num_levels: Number of feature maps.
        num_points: Points per head and feature map.

    Source: Zhu et al., "Deformable DETR", 2021, section 4.1.
    """

    def __init__(self, channels: int = 256, num_heads: int = 8, num_levels: int = 4, num_points: int = 4) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.num_levels = num_levels
        self.num_points = num_points
        samples = num_heads * num_levels * num_points
        self.sampling_offsets = nn.Linear(channels, samples * 2)
        self.attention_weights = nn.Linear(channels, samples)
        self.value_proj = nn.Linear(channels, channels)
        self.output_proj = nn.Linear(channels, channels)
        self._initialize()

    def _initialize(self) -> None:
        """Direct the heads to different sides, with points at increasing distances."""
        angles = torch.arange(self.num_heads) * (2 * math.pi / self.num_heads)
        directions = torch.stack((angles.cos(), angles.sin()), dim=1)
        directions = directions / directions.abs().amax(dim=1, keepdim=True)
        steps = torch.arange(1, self.num_points + 1)[:, None]
        grid = directions[:, None, None] * steps  # (heads, 1, points, 2)
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(grid.expand(-1, self.num_levels, -1, -1).reshape(-1))
        for layer in (self.sampling_offsets, self.attention_weights):
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, query: Tensor, references: Tensor, memory: Tensor, tokens: FeatureTokens) -> Tensor:
        """Attend to feature maps.

        Args:
            query: `(B, Q, channels)`.
            references: `(B, Q, L, 2)` points, or `(B, Q, L, 4)` boxes `(cx, cy, width, height)`, relative to the padded
                feature maps. With boxes, the offsets are relative to the size of the box.
            memory: Tokens of all levels, `(B, S, channels)`.
            tokens: The structure of `memory`.

        Returns:
            `(B, Q, channels)`.
        """
        batch, count = query.shape[:2]
        value = self.value_proj(memory).masked_fill(tokens.mask.unsqueeze(-1), 0.0)
        value = value.unflatten(2, (self.num_heads, -1))
        layout = (batch, count, self.num_heads, self.num_levels, self.num_points)
        offsets = self.sampling_offsets(query).reshape(*layout, 2)
        weights = self.attention_weights(query).reshape(*layout[:3], -1).softmax(dim=-1).reshape(layout)
        centers = references[:, :, None, :, None, :2]
        if references.shape[-1] == 4:
            locations = centers + offsets / self.num_points * references[:, :, None, :, None, 2:] * 0.5
        else:
            sizes = tokens.shapes.flip(1).to(offsets.dtype)  # (L, 2): width, height
            locations = centers + offsets / sizes[:, None]
        attended = ops.ms_deform_attn(value, tokens.shapes, tokens.starts, locations, weights)
        return self.output_proj(attended)
