"""Backbones: networks that map images to named feature maps."""

from .backbone import Backbone
from .fpn import FPN, LastLevelMaxPool, LastLevelP6P7
from .mobilenet_v2 import MobileNetV2
from .regnet import AnyNet, RegNet
from .resnet import ResNet
from .resnet_blocks import BasicBlock, BasicStem, BottleneckBlock, DeformBottleneckBlock
from .simple_feature_pyramid import SimpleFeaturePyramid
from .ssd_vgg import SSD300_LEVELS, SSD512_LEVELS, SSDVGG
from .timm import TimmBackbone
from .transformer import MViT, SwinTransformer, ViT, get_vit_lr_decay_rate

__all__ = [
    "FPN",
    "SSD300_LEVELS",
    "SSD512_LEVELS",
    "SSDVGG",
    "AnyNet",
    "Backbone",
    "BasicBlock",
    "BasicStem",
    "BottleneckBlock",
    "DeformBottleneckBlock",
    "LastLevelMaxPool",
    "LastLevelP6P7",
    "MViT",
    "MobileNetV2",
    "RegNet",
    "ResNet",
    "SimpleFeaturePyramid",
    "SwinTransformer",
    "TimmBackbone",
    "ViT",
    "get_vit_lr_decay_rate",
]
