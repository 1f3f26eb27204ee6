"""Plain vision transformers under Detectron2's module path."""

from detectory.compat.detectron2.modeling.backbone.utils import PatchEmbed
from detectory.modeling.backbone import SimpleFeaturePyramid, ViT, get_vit_lr_decay_rate
from detectory.modeling.backbone.transformer.vit_blocks import Attention, Block, ResBottleneckBlock

__all__ = [
    "Attention",
    "Block",
    "PatchEmbed",
    "ResBottleneckBlock",
    "SimpleFeaturePyramid",
    "ViT",
    "get_vit_lr_decay_rate",
]
