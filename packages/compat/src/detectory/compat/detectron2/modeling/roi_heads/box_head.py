"""Box heads and their registry."""

from typing import Any

from torch import nn

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.utils.registry import Registry
from detectory.modeling import roi_heads as native

__all__ = ["ROI_BOX_HEAD_REGISTRY", "FastRCNNConvFCHead", "build_box_head"]

ROI_BOX_HEAD_REGISTRY = Registry("ROI_BOX_HEAD")


@ROI_BOX_HEAD_REGISTRY.register()
class FastRCNNConvFCHead(native.FastRCNNConvFCHead):
    """`detectory.modeling.roi_heads.FastRCNNConvFCHead` that can also be built from a config."""

    __init__ = configurable(native.FastRCNNConvFCHead.__init__)

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
