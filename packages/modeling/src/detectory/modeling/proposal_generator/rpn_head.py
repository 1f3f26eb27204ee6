"""Convolutional head of the region proposal network."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from detectory.modeling.layers import Conv2d, init_predictor


class StandardRPNHead(nn.Module):
    """3×3 convolutions, then a 1×1 convolution for objectness logits and one for deltas, shared by all levels.

    Args:
        in_channels: Channels of every feature map.
        num_anchors: Anchors per cell, `A`.
        box_dim: Coordinates of a box, `D`: 4, or 5 for rotated boxes.
        conv_dims: Output channels of each 3×3 convolution; -1 keeps the number of input channels.

    Raises:
        ValueError: If an element of `conv_dims` is neither positive nor -1.

    Source: Ren et al., "Faster R-CNN", 2015, section 3.1.
    """

    def __init__(
        self, *, in_channels: int, num_anchors: int, box_dim: int = 4, conv_dims: Sequence[int] = (-1,)
    ) -> None:
        super().__init__()
        channels = in_channels
        layers: list[nn.Conv2d] = []
        for dim in conv_dims:
            if dim == 0 or dim < -1:
                raise ValueError(f"StandardRPNHead: conv_dims must be positive or -1, got {list(conv_dims)}")
            out_channels = channels if dim == -1 else dim
            layers.append(self._get_rpn_conv(channels, out_channels))
            channels = out_channels
        if len(layers) == 1:
            # Detectron2's checkpoints name a single convolution `conv`, several ones `conv.conv0`, `conv.conv1`, ….
            self.conv: nn.Module = layers[0]
        else:
            self.conv = nn.Sequential(OrderedDict((f"conv{i}", layer) for i, layer in enumerate(layers)))
        self.objectness_logits = nn.Conv2d(channels, num_anchors, kernel_size=1)
        self.anchor_deltas = nn.Conv2d(channels, num_anchors * box_dim, kernel_size=1)
        for layer in (*layers, self.objectness_logits, self.anchor_deltas):
            init_predictor(layer, std=0.01)

    def _get_rpn_conv(self, in_channels: int, out_channels: int) -> nn.Conv2d:
        """Return one of the hidden convolutions, with its activation; subclasses may replace it."""
        return Conv2d(in_channels, out_channels, 3, padding=1, activation=nn.ReLU())

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Map each feature map `(B, C, H, W)` to logits `(B, A, H, W)` and deltas `(B, A * D, H, W)`."""
        hidden = [self.conv(x) for x in features]
        return [self.objectness_logits(x) for x in hidden], [self.anchor_deltas(x) for x in hidden]
