"""The small network that slides over every level."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from detectory.modeling.layers import Conv2d, init_predictor


class StandardRPNHead(nn.Module):
    """3×3 convolutions shared by all levels, then one 1×1 convolution for scores and one for deltas.

    Args:
        in_channels: Channels of every level.
        num_anchors: Anchors of a cell.
        box_dim: Numbers of a box's delta: 4, or 5 if rotated.
        conv_dims: Channels of each hidden convolution; -1 keeps those of its input.

    Source: Ren et al., "Faster R-CNN", 2015, section 3.1.
    """

    def __init__(
        self, *, in_channels: int, num_anchors: int, box_dim: int = 4, conv_dims: Sequence[int] = (-1,)
    ) -> None:
        super().__init__()
        channels = in_channels
        layers: list[nn.Conv2d] = []
        for wanted in conv_dims:
            if wanted == 0 or wanted < -1:
                raise ValueError(f"StandardRPNHead: conv_dims must be positive or -1, got {list(conv_dims)}")
            out_channels = channels if wanted == -1 else wanted
            layers.append(Conv2d(channels, out_channels, 3, padding=1, activation=nn.ReLU()))
            channels = out_channels
        if len(layers) == 1:
            # Published checkpoints name a single convolution without a number.
            self.conv: nn.Module = layers[0]
        else:
            self.conv = nn.Sequential(OrderedDict((f"conv{i}", layer) for i, layer in enumerate(layers)))
        self.objectness_logits = nn.Conv2d(channels, num_anchors, kernel_size=1)
        self.anchor_deltas = nn.Conv2d(channels, num_anchors * box_dim, kernel_size=1)
        for layer in (*layers, self.objectness_logits, self.anchor_deltas):
            init_predictor(layer, std=0.01)

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Map levels `(B, C, H, W)` to logits `(B, A, H, W)` and deltas `(B, A * box_dim, H, W)`."""
        hidden = [self.conv(x) for x in features]
        return [self.objectness_logits(x) for x in hidden], [self.anchor_deltas(x) for x in hidden]
