"""Feature pyramid networks and their builders."""

from collections.abc import Sequence
from itertools import pairwise

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.layers import Conv2d, ShapeSpec, get_norm
from detectory.compat.detectron2.modeling.backbone.backbone import Backbone
from detectory.compat.detectron2.modeling.backbone.build import BACKBONE_REGISTRY
from detectory.compat.detectron2.modeling.backbone.resnet import build_resnet_backbone
from detectory.modeling.backbone import FPN, LastLevelMaxPool, LastLevelP6P7

__all__ = [
    "BACKBONE_REGISTRY",
    "FPN",
    "Backbone",
    "Conv2d",
    "LastLevelMaxPool",
    "LastLevelP6P7",
    "ShapeSpec",
    "build_resnet_backbone",
    "build_resnet_fpn_backbone",
    "build_retinanet_resnet_fpn_backbone",
    "get_norm",
]


def _assert_strides_are_log2_contiguous(strides: Sequence[int]) -> None:
    """Check that each stride is twice the previous one.

    Raises:
        AssertionError: If it is not.
    """
    for finer, coarser in pairwise(strides):
        if coarser != 2 * finer:
            raise AssertionError(f"each stride must be twice the previous one, got {finer} and {coarser}")


@BACKBONE_REGISTRY.register()
def build_resnet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """Build a ResNet-FPN whose last level is max-pooled (p6)."""
    return FPN(
        bottom_up=build_resnet_backbone(cfg, input_shape),
        in_features=cfg.MODEL.FPN.IN_FEATURES,
        out_channels=cfg.MODEL.FPN.OUT_CHANNELS,
        norm=cfg.MODEL.FPN.NORM,
        top_block=LastLevelMaxPool(),
        fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
    )


@BACKBONE_REGISTRY.register()
def build_retinanet_resnet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """Build a ResNet-FPN whose last levels are convolutions of res5 (p6, p7)."""
    bottom_up = build_resnet_backbone(cfg, input_shape)
    out_channels = cfg.MODEL.FPN.OUT_CHANNELS
    return FPN(
        bottom_up=bottom_up,
        in_features=cfg.MODEL.FPN.IN_FEATURES,
        out_channels=out_channels,
        norm=cfg.MODEL.FPN.NORM,
        top_block=LastLevelP6P7(bottom_up.output_shape()["res5"].channels, out_channels),
        fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
    )
