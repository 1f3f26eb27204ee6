"""The first stage of a two-stage Deformable DETR: boxes that the encoder proposes."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .attention import FeatureTokens

#: Side of a proposal on the finest level, relative to the image.
_BASE_SIZE = 0.05

#: Proposals beyond these relative coordinates are not used.
_MIN, _MAX = 0.01, 0.99


def inverse_sigmoid(x: Tensor, eps: float = 1e-5) -> Tensor:
    """Return the logit of probabilities, which are limited to `[eps, 1 - eps]`."""
    x = x.clamp(min=0, max=1)
    return torch.log(x.clamp(min=eps) / (1 - x).clamp(min=eps))


class Proposals(NamedTuple):
    """The result of the first stage.

    Attributes:
        queries: `(B, Q, channels)`.
        positions: `(B, Q, channels)`.
        boxes: `(B, Q, 4)` normalized boxes of the best proposals, without gradient.
        logits: `(B, S, K)` class logits of all tokens.
        all_boxes: `(B, S, 4)` normalized boxes of all tokens.
    """

    queries: Tensor
    positions: Tensor
    boxes: Tensor
    logits: Tensor
    all_boxes: Tensor


class ProposalStage(nn.Module):
    """Prediction of one box per encoded token, and selection of the best ones as queries.

    Args:
        channels: Features of a token.
        num_classes: Number of classes, `K`.
        bbox_embed: Maps tokens to boxes.

    Source: Zhu et al., "Deformable DETR", 2021, appendix A.4.
    """

    def __init__(self, channels: int, num_classes: int, bbox_embed: nn.Module) -> None:
        super().__init__()
        self.memory = nn.Linear(channels, channels)
        self.memory_norm = nn.LayerNorm(channels)
        self.class_embed = nn.Linear(channels, num_classes)
        nn.init.constant_(self.class_embed.bias, -math.log(99))
        self.bbox_embed = bbox_embed
        self.position = nn.Linear(2 * channels, 2 * channels)
        self.position_norm = nn.LayerNorm(2 * channels)

    def forward(self, memory: Tensor, features: Sequence[Tensor], tokens: FeatureTokens, num_queries: int) -> Proposals:
        """Propose boxes.

        Args:
            memory: Encoded tokens `(B, S, channels)`.
            features: The feature maps, for their sizes.
            tokens: The structure of `memory`.
            num_queries: Number of proposals, `Q`.
        """
        boxes = _grid_boxes(features, tokens)  # (B, S, 4)
        is_valid = ((boxes > _MIN) & (boxes < _MAX)).all(dim=-1, keepdim=True) & ~tokens.mask.unsqueeze(-1)
        logits_of_boxes = torch.log(boxes / (1 - boxes)).masked_fill(~is_valid, float("inf"))
        x = self.memory_norm(self.memory(memory.masked_fill(~is_valid, 0.0)))
        logits = self.class_embed(x)
        coordinates = self.bbox_embed(x) + logits_of_boxes
        best = logits[..., 0].topk(num_queries, dim=1).indices
        chosen = coordinates.gather(1, best.unsqueeze(-1).expand(-1, -1, 4)).detach().sigmoid()
        embedded = self.position_norm(self.position(_encode(chosen, memory.shape[-1] // 2)))
        positions, queries = embedded.chunk(2, dim=-1)
        return Proposals(queries, positions, chosen, logits, coordinates.sigmoid())


def _grid_boxes(features: Sequence[Tensor], tokens: FeatureTokens) -> Tensor:
    """Return a square around every cell, relative to the image without padding: `(B, S, 4)`."""
    levels = []
    for i, level in enumerate(features):
        height, width = level.shape[-2:]
        y = (torch.arange(height, dtype=torch.float32, device=level.device) + 0.5) / height
        x = (torch.arange(width, dtype=torch.float32, device=level.device) + 0.5) / width
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(1, -1, 2)
        centers = grid / tokens.valid_ratios[:, None, i]
        levels.append(torch.cat((centers, torch.full_like(centers, _BASE_SIZE * 2**i)), dim=-1))
    return torch.cat(levels, dim=1)


def _encode(boxes: Tensor, num_features: int, temperature: float = 10_000.0) -> Tensor:
    """Return sines and cosines of the four coordinates: `(B, Q, 4 * num_features)`."""
    steps = torch.arange(num_features, dtype=torch.float32, device=boxes.device)
    wavelengths = temperature ** (2 * (steps // 2) / num_features)
    angles = (boxes * 2 * math.pi).unsqueeze(-1) / wavelengths  # (B, Q, 4, num_features)
    return torch.stack((angles[..., 0::2].sin(), angles[..., 1::2].cos()), dim=-1).flatten(2)
