"""Backbones and their registry."""

from detectory.compat.detectron2.modeling.backbone.backbone import Backbone
from detectory.compat.detectron2.modeling.backbone.build import BACKBONE_REGISTRY, build_backbone
from detectory.compat.detectron2.modeling.backbone.fpn import FPN
from detectory.compat.detectron2.modeling.backbone.resnet import (
    BasicStem,
    BottleneckBlock,
    ResNet,
    ResNetBlockBase,
    build_resnet_backbone,
    make_stage,
)

__all__ = [
    "BACKBONE_REGISTRY",
    "FPN",
    "Backbone",
    "BasicStem",
    "BottleneckBlock",
    "ResNet",
    "ResNetBlockBase",
    "build_backbone",
    "build_resnet_backbone",
    "make_stage",
]
