"""Box heads and their registry."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.utils.registry import Registry
from detectory.modeling import roi_heads as native
from detectory.modeling.layers.norms import NormSpec

__all__ = ["ROI_BOX_HEAD_REGISTRY", "FastRCNNConvFCHead", "build_box_head"]

ROI_BOX_HEAD_REGISTRY = Registry("ROI_BOX_HEAD")


@ROI_BOX_HEAD_REGISTRY.register()
class FastRCNNConvFCHead(native.FastRCNNConvFCHead):
    """`detectory.modeling.roi_heads.FastRCNNConvFCHead` that can also be built from a config.

    Iterating yields the layers in the order of `forward`, as for an `nn.Sequential`.

    Attributes:
        conv_norm_relus: The convolutions with their norms and activations.
        fcs: The fully connected layers, without activations.
    """

    @configurable
    def __init__(
        self, input_shape: ShapeSpec, *, conv_dims: Sequence[int], fc_dims: Sequence[int], conv_norm: NormSpec = ""
    ) -> None:
        super().__init__(input_shape, conv_dims=conv_dims, fc_dims=fc_dims, conv_norm=conv_norm)
        # Plain lists: the layers are already registered under their names.
        self.conv_norm_relus = [getattr(self, name) for name in self._conv_names]
        self.fcs = [getattr(self, name) for name in self._fc_names]
        shape = super().output_shape
        self._output_size = shape.channels if fc_dims else (shape.channels, shape.height, shape.width)

    def __iter__(self) -> Iterator[nn.Module]:
        yield from self.conv_norm_relus
        for index, layer in enumerate(self.fcs):
            if index == 0:
                yield nn.Flatten()
            yield layer
            yield nn.ReLU()

    @property
    def output_shape(self) -> ShapeSpec:
        """Channels of the output; also height and width without fully connected layers."""
        if isinstance(self._output_size, int):
            return ShapeSpec(channels=self._output_size)
        channels, height, width = self._output_size
        return ShapeSpec(channels=channels, height=height, width=width)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict[str, Any]:
        """Read the arguments from `MODEL.ROI_BOX_HEAD`."""
        settings = cfg.MODEL.ROI_BOX_HEAD
        return {
            "input_shape": input_shape,
            "conv_dims": [settings.CONV_DIM] * settings.NUM_CONV,
            "fc_dims": [settings.FC_DIM] * settings.NUM_FC,
            "conv_norm": settings.NORM,
        }


def build_box_head(cfg: CfgNode, input_shape: ShapeSpec) -> nn.Module:
    """Build the head named by `MODEL.ROI_BOX_HEAD.NAME` for region features of this shape."""
    return ROI_BOX_HEAD_REGISTRY.get(cfg.MODEL.ROI_BOX_HEAD.NAME)(cfg, input_shape)
