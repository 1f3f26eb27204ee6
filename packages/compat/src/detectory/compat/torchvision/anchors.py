"""torchvision's anchors."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from detectory.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.structures import Boxes


class TorchvisionAnchorGenerator(DefaultAnchorGenerator):
    """Anchors with integer corners and strides computed as padded image size divided by feature map size.

    For example, 13 cells over 800 pixels have a stride of 61 pixels instead of 64.

    Args:
        kwargs: As for `DefaultAnchorGenerator`; the first stride determines the size of the padded image.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for cell in self.cell_anchors:
            cell.round_()

    def forward(self, features: Sequence[Tensor]) -> list[Boxes]:
        """See `DefaultAnchorGenerator.forward`."""
        height, width = (int(side * self.strides[0]) for side in features[0].shape[-2:])
        levels = []
        for feature, cell in zip(features, self.cell_anchors, strict=True):
            rows, columns = feature.shape[-2:]
            y = torch.arange(rows, dtype=cell.dtype, device=cell.device) * (height // rows)
            x = torch.arange(columns, dtype=cell.dtype, device=cell.device) * (width // columns)
            y, x = torch.meshgrid(y, x, indexing="ij")
            corners = torch.stack((x, y, x, y), dim=-1).reshape(-1, 1, 4)
            levels.append(Boxes((corners + cell).reshape(-1, 4)))
        return levels
