"""Point heads and their registry."""

from typing import Any

from torch import nn

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.utils.registry import Registry
from detectory.projects import point_rend as native
from detectory.projects.point_rend import roi_mask_point_loss

__all__ = [
    "POINT_HEAD_REGISTRY",
    "ImplicitPointHead",
    "StandardPointHead",
    "build_point_head",
    "roi_mask_point_loss",
]

POINT_HEAD_REGISTRY = Registry("POINT_HEAD")


@POINT_HEAD_REGISTRY.register()
class StandardPointHead(native.StandardPointHead):
    """`detectory.projects.point_rend.StandardPointHead` that can also be built from a config."""

    __init__ = configurable(native.StandardPointHead.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict[str, Any]:
        """Read the arguments from `MODEL.POINT_HEAD`, for fine-grained features of the given shape."""
        settings = cfg.MODEL.POINT_HEAD
        return {
            "in_channels": input_shape.channels,
            "num_classes": settings.NUM_CLASSES,
            "fc_dim": settings.FC_DIM,
            "num_fc": settings.NUM_FC,
            "cls_agnostic_mask": settings.CLS_AGNOSTIC_MASK,
            "coarse_pred_each_layer": settings.COARSE_PRED_EACH_LAYER,
        }


@POINT_HEAD_REGISTRY.register()
class ImplicitPointHead(native.ImplicitPointHead):
    """`detectory.projects.point_rend.ImplicitPointHead` that can also be built from a config."""

    __init__ = configurable(native.ImplicitPointHead.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict[str, Any]:
        """Read the arguments from `MODEL.POINT_HEAD` and `MODEL.IMPLICIT_POINTREND`."""
        settings, implicit = cfg.MODEL.POINT_HEAD, cfg.MODEL.IMPLICIT_POINTREND
        return {
            "in_channels": input_shape.channels if implicit.IMAGE_FEATURE_ENABLED else 0,
            "num_classes": 1 if settings.CLS_AGNOSTIC_MASK else settings.NUM_CLASSES,
            "channels": settings.FC_DIM,
            "num_layers": settings.NUM_FC + 1,
            "positional_encoding_dims": 256 if implicit.POS_ENC_ENABLED else 0,
        }


def build_point_head(cfg: CfgNode, input_shape: ShapeSpec) -> nn.Module:
    """Build the head named by `MODEL.POINT_HEAD.NAME` for fine features of this shape."""
    return POINT_HEAD_REGISTRY.get(cfg.MODEL.POINT_HEAD.NAME)(cfg, input_shape)
