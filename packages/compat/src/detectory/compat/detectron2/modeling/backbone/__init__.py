"""Backbones and their registry."""

from detectory.compat.detectron2.modeling.backbone.backbone import Backbone
from detectory.compat.detectron2.modeling.backbone.build import BACKBONE_REGISTRY, build_backbone
from detectory.compat.detectron2.modeling.backbone.fpn import FPN
from detectory.compat.detectron2.modeling.backbone.mvit import MViT
from detectory.compat.detectron2.modeling.backbone.regnet import RegNet
from detectory.compat.detectron2.modeling.backbone.resnet import (
    BasicBlock,
    BasicStem,
    BottleneckBlock,
    DeformBottleneckBlock,
    ResNet,
    ResNetBlockBase,
    build_resnet_backbone,
    make_stage,
)
from detectory.compat.detectron2.modeling.backbone.swin import SwinTransformer
from detectory.compat.detectron2.modeling.backbone.vit import SimpleFeaturePyramid, ViT, get_vit_lr_decay_rate

__all__ = [
    "BACKBONE_REGISTRY",
    "FPN",
    "Backbone",
    "BasicBlock",
    "BasicStem",
    "BottleneckBlock",
    "DeformBottleneckBlock",
    "MViT",
    "RegNet",
    "ResNet",
    "ResNetBlockBase",
    "SimpleFeaturePyramid",
    "SwinTransformer",
    "ViT",
    "build_backbone",
    "build_resnet_backbone",
    "get_vit_lr_decay_rate",
    "make_stage",
]
