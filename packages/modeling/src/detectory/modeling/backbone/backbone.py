"""Base class of the backbones."""

from abc import ABCMeta, abstractmethod

from torch import Tensor, nn

from detectory.modeling.layers import ShapeSpec


class Backbone(nn.Module, metaclass=ABCMeta):
    """A network that maps images to named feature maps.

    The default `output_shape` uses three attributes that a subclass may set: `_out_features`, the names in order, and
    `_out_feature_channels` and `_out_feature_strides`, the channels and strides by name.
    """

    _out_features: list[str]
    _out_feature_channels: dict[str, int]
    _out_feature_strides: dict[str, int]

    @abstractmethod
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, C, H, W)` to feature maps `(B, channels, H / stride, W / stride)` by name."""

    @property
    def size_divisibility(self) -> int:
        """The number that height and width of the input must be multiples of; 0 if any size is valid."""
        return 0

    @property
    def padding_constraints(self) -> dict[str, int]:
        """Further padding constraints: may contain `"square_size"`, the side length of a square to pad images to."""
        return {}

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Return the channels and stride of every output by name."""
        return {
            name: ShapeSpec(channels=self._out_feature_channels[name], stride=self._out_feature_strides[name])
            for name in self._out_features
        }
