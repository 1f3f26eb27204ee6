"""The contract of every backbone."""

from abc import ABCMeta, abstractmethod

from torch import Tensor, nn

from detectory.modeling.layers import ShapeSpec


class Backbone(nn.Module, metaclass=ABCMeta):
    """A network from an image to named feature maps.

    The default `output_shape` reads three attributes that a subclass may set: `_out_features` (names in
    order), `_out_feature_channels` and `_out_feature_strides` (name to number).
    """

    _out_features: list[str]
    _out_feature_channels: dict[str, int]
    _out_feature_strides: dict[str, int]

    @abstractmethod
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, C, H, W)` to `{name: (B, channels, H / stride, W / stride)}`."""

    @property
    def size_divisibility(self) -> int:
        """Number that the image's height and width must be multiples of; 0 where any size works."""
        return 0

    @property
    def padding_constraints(self) -> dict[str, int]:
        """How images must be padded: may hold `"square_size"`, the side of a square that all are padded to."""
        return {}

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Return channels and stride of every output."""
        return {
            name: ShapeSpec(channels=self._out_feature_channels[name], stride=self._out_feature_strides[name])
            for name in self._out_features
        }
