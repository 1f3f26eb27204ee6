"""The head with atrous spatial pyramid pooling, built from a config."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.projects.densepose.detectron2.modeling.registries import ROI_DENSEPOSE_HEAD_REGISTRY
from detectory.projects.densepose.modeling import heads

from .v1convx import convolution_arguments


@ROI_DENSEPOSE_HEAD_REGISTRY.register()
class DensePoseDeepLabHead(heads.DensePoseDeepLabHead):
    """`detectory.projects.densepose.modeling.DensePoseDeepLabHead` that can also be built from a config."""

    __init__ = configurable(heads.DensePoseDeepLabHead.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_channels: int) -> dict[str, Any]:
        """Read the arguments from `MODEL.ROI_DENSEPOSE_HEAD`."""
        settings = cfg.MODEL.ROI_DENSEPOSE_HEAD.DEEPLAB
        return convolution_arguments(cfg, input_channels) | {
            "norm": settings.NORM,
            "use_nonlocal": bool(settings.NONLOCAL_ON),
        }
