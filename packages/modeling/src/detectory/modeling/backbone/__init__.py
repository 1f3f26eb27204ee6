"""Backbones: networks that map images to named feature maps."""

from .backbone import Backbone
from .fpn import FPN, LastLevelMaxPool, LastLevelP6P7
from .mobilenet_v2 import MobileNetV2
from .mobilenet_v3 import MobileNetV3, mobilenet_v3_large_blocks
from .regnet import AnyNet, RegNet
from .resnet import ResNet
from .resnet_blocks import BasicBlock, BasicStem, BottleneckBlock, DeformBottleneckBlock
from .simple_feature_pyramid import SimpleFeaturePyramid
from .ssd_mobilenet import SSDLiteLevels
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
    "MobileNetV3",
    "RegNet",
    "ResNet",
    "SSDLiteLevels",
    "SimpleFeaturePyramid",
    "SwinTransformer",
    "TimmBackbone",
    "ViT",
    "get_vit_lr_decay_rate",
    "mobilenet_v3_large_blocks",
]
