"""Sine encoding of positions in feature maps."""

import math

import torch
from torch import Tensor, nn


class SinePositionEncoding(nn.Module):
    """Sines and cosines of the row and the column of every cell.

    Rows and columns are divided by the size of the image, without the padding of the batch, and multiplied by 2π.

    Args:
        num_features: Number of features of the row, and of the column.
        temperature: Ratio of the longest and the shortest wavelength.
        offset: Added to the number of the row and of the column, which begins with 1.

    Source: Carion et al., "End-to-End Object Detection with Transformers", 2020, appendix A.4.
    """

    def __init__(self, num_features: int = 128, temperature: float = 10_000.0, offset: float = 0.0) -> None:
        super().__init__()
        self.num_features = num_features
        self.temperature = temperature
        self.offset = offset

    def forward(self, mask: Tensor) -> Tensor:
        """Encode the positions of a batch.

        Args:
            mask: `(B, H, W)` bool, True for padding.

        Returns:
            `(B, 2 * num_features, H, W)` float32: features of the row, then of the column.
        """
        valid = (~mask).float()
        steps = torch.arange(self.num_features, dtype=torch.float32, device=mask.device)
        wavelengths = self.temperature ** (2 * (steps // 2) / self.num_features)
        encoded = []
        for dim in (1, 2):
            position = valid.cumsum(dim)
            last = position.narrow(dim, position.shape[dim] - 1, 1)
            angles = ((position + self.offset) / (last + 1e-6) * 2 * math.pi).unsqueeze(
                -1
            ) / wavelengths  # (B, H, W, num_features)
            pairs = torch.stack((angles[..., 0::2].sin(), angles[..., 1::2].cos()), dim=-1)
            encoded.append(pairs.flatten(-2))
        return torch.cat(encoded, dim=-1).permute(0, 3, 1, 2)
