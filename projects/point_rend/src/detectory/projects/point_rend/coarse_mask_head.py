"""Coarse mask prediction from features on a regular grid.

Source: Kirillov et al., "PointRend: Image Segmentation as Rendering", CVPR 2020, section 4.1.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.layers import Conv2d, c2_msra_fill, c2_xavier_fill, init_predictor

__all__ = ["CoarseMaskHead", "GridHead"]


class GridHead(nn.Module):
    """A convolution that halves a grid of features, fully connected layers, and a linear prediction per region.

    Args:
        in_channels: Channels of the input features.
        grid_size: Side of the input grid, an even number of cells.
        num_outputs: Outputs per region.
        conv_dim: Channels of the convolution.
        fc_dim: Channels of the hidden layers.
        num_fc: Number of hidden layers.

    Raises:
        ValueError: If `grid_size` is odd.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        grid_size: int,
        num_outputs: int,
        conv_dim: int = 256,
        fc_dim: int = 1024,
        num_fc: int = 2,
    ) -> None:
        super().__init__()
        if grid_size % 2:
            raise ValueError(f"{type(self).__name__}: grid_size must be even, got {grid_size}")
        self.reduce_channel_dim_conv: nn.Module | None = None
        if in_channels > conv_dim:
            self.reduce_channel_dim_conv = Conv2d(in_channels, conv_dim, kernel_size=1, activation=nn.ReLU())
            c2_msra_fill(self.reduce_channel_dim_conv)
            in_channels = conv_dim
        self.reduce_spatial_dim_conv = Conv2d(in_channels, conv_dim, kernel_size=2, stride=2, activation=nn.ReLU())
        c2_msra_fill(self.reduce_spatial_dim_conv)
        self.fcs: list[nn.Linear] = []
        width = conv_dim * (grid_size // 2) ** 2
        for number in range(1, num_fc + 1):
            layer = nn.Linear(width, fc_dim)
            c2_xavier_fill(layer)
            self.add_module(f"fc{number}", layer)
            self.fcs.append(layer)
            width = fc_dim
        self.prediction = nn.Linear(width, num_outputs)
        init_predictor(self.prediction, std=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Map features `(R, C, G, G)` to `(R, num_outputs)`."""
        if self.reduce_channel_dim_conv is not None:
            x = self.reduce_channel_dim_conv(x)
        x = self.reduce_spatial_dim_conv(x).flatten(1)
        for layer in self.fcs:
            x = F.relu(layer(x))
        return self.prediction(x)


class CoarseMaskHead(GridHead):
    """`GridHead` that predicts a small mask per class.

    Args:
        in_channels: Channels of the input features.
        num_classes: Number of masks per region.
        conv_dim: Channels of the convolution that halves the grid.
        fc_dim: Channels of the hidden layers.
        num_fc: Number of hidden layers.
        grid_size: Side of the input grid.
        output_side_resolution: Side of the mask.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        conv_dim: int = 256,
        fc_dim: int = 1024,
        num_fc: int = 2,
        grid_size: int = 14,
        output_side_resolution: int = 7,
    ) -> None:
        super().__init__(
            in_channels=in_channels,
            grid_size=grid_size,
            num_outputs=num_classes * output_side_resolution**2,
            conv_dim=conv_dim,
            fc_dim=fc_dim,
            num_fc=num_fc,
        )
        self.num_classes, self.output_side_resolution = num_classes, output_side_resolution

    def forward(self, x: Tensor) -> Tensor:
        """Map features `(R, C, G, G)` to logits `(R, num_classes, S, S)`."""
        side = self.output_side_resolution
        return super().forward(x).view(x.shape[0], self.num_classes, side, side)
