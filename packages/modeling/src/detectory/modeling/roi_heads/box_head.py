"""Box head: features of a region to a vector."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.layers import Conv2d, ShapeSpec, c2_msra_fill, c2_xavier_fill, fast_layout, get_norm
from detectory.modeling.layers.norms import NormSpec


class FastRCNNConvFCHead(nn.Module):
    """3×3 convolutions followed by fully connected layers, each with a ReLU.

    Args:
        input_shape: Channels, height and width of the region features.
        conv_dims: Output channels of each convolution.
        fc_dims: Output channels of each fully connected layer.
        conv_norm: Norm after every convolution, as in `get_norm`. Without a norm, convolutions have a bias.

    Raises:
        ValueError: If both `conv_dims` and `fc_dims` are empty.
    """

    def __init__(
        self,
        input_shape: ShapeSpec,
        *,
        conv_dims: Sequence[int],
        fc_dims: Sequence[int],
        conv_norm: NormSpec = "",
    ) -> None:
        super().__init__()
        if not conv_dims and not fc_dims:
            raise ValueError("FastRCNNConvFCHead: conv_dims and fc_dims must not both be empty")
        channels, height, width = input_shape.channels, input_shape.height, input_shape.width
        self._conv_names: list[str] = []
        for i, dim in enumerate(conv_dims, 1):
            norm = get_norm(conv_norm, dim)
            layer = Conv2d(channels, dim, 3, padding=1, bias=not conv_norm, norm=norm, activation=nn.ReLU())
            self.add_module(f"conv{i}", layer)
            self._conv_names.append(f"conv{i}")
            channels = dim
        self._output_shape = ShapeSpec(channels=channels, height=height, width=width)
        size = channels * (height or 1) * (width or 1)
        self._fc_names: list[str] = []
        for i, dim in enumerate(fc_dims, 1):
            self.add_module(f"fc{i}", nn.Linear(size, dim))
            self._fc_names.append(f"fc{i}")
            size = dim
            self._output_shape = ShapeSpec(channels=dim)
        # Initialized only after all layers exist, so that the same seed yields the same weights as in Detectron2.
        for name in self._conv_names:
            c2_msra_fill(getattr(self, name))
        for name in self._fc_names:
            c2_xavier_fill(getattr(self, name))

    def forward(self, x: Tensor) -> Tensor:
        """Map region features `(R, C, H, W)` to `(R, fc_dims[-1])`, or without `fc_dims` to `(R, C', H, W)`."""
        if self._conv_names:
            x = fast_layout(x)
        for name in self._conv_names:
            x = getattr(self, name)(x)
        if self._fc_names:
            x = torch.flatten(x, start_dim=1)
        for name in self._fc_names:
            x = F.relu(getattr(self, name)(x))
        return x

    def __prepare_scriptable__(self) -> nn.Module:
        """Return the module for `torch.jit.script`: the same layers in lists, unless `forward` is overridden."""
        return _ScriptableHead(self) if type(self).forward is FastRCNNConvFCHead.forward else self

    @property
    def output_shape(self) -> ShapeSpec:
        """Channels of the output; also height and width without fully connected layers."""
        return self._output_shape


class _ScriptableHead(nn.Module):
    """A box head with its layers in lists: TorchScript does not support access by name."""

    def __init__(self, head: FastRCNNConvFCHead) -> None:
        super().__init__()
        self.convs = nn.ModuleList(getattr(head, name) for name in head._conv_names)
        self.fcs = nn.ModuleList(getattr(head, name) for name in head._fc_names)
        self.train(head.training)

    def forward(self, x: Tensor) -> Tensor:
        if len(self.convs) > 0:
            x = fast_layout(x)
        for conv in self.convs:
            x = conv(x)
        if len(self.fcs) > 0:
            x = torch.flatten(x, start_dim=1)
        for fc in self.fcs:
            x = F.relu(fc(x))
        return x
