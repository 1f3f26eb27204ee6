"""The head of stacked convolutions, built from a config."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.projects.densepose.detectron2.modeling.registries import ROI_DENSEPOSE_HEAD_REGISTRY
from detectory.projects.densepose.modeling import heads


@ROI_DENSEPOSE_HEAD_REGISTRY.register()
class DensePoseV1ConvXHead(heads.DensePoseV1ConvXHead):
    """`detectory.projects.densepose.modeling.DensePoseV1ConvXHead` that can also be built from a config."""

    __init__ = configurable(heads.DensePoseV1ConvXHead.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_channels: int) -> dict[str, Any]:
        """Read the arguments from `MODEL.ROI_DENSEPOSE_HEAD`."""
        return convolution_arguments(cfg, input_channels)


def convolution_arguments(cfg: CfgNode, input_channels: int) -> dict[str, Any]:
    """Return the arguments that all heads share."""
    settings = cfg.MODEL.ROI_DENSEPOSE_HEAD
    return {
        "in_channels": input_channels,
        "conv_dim": settings.CONV_HEAD_DIM,
        "conv_kernel": settings.CONV_HEAD_KERNEL,
        "num_convs": settings.NUM_STACKED_CONVS,
    }
