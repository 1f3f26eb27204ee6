"""Plain vision transformers under Detectron2's module path."""

from detectory.modeling.backbone import SimpleFeaturePyramid, ViT, get_vit_lr_decay_rate
from detectory.modeling.backbone.transformer.vit_blocks import Attention, Block, ResBottleneckBlock

__all__ = ["Attention", "Block", "ResBottleneckBlock", "SimpleFeaturePyramid", "ViT", "get_vit_lr_decay_rate"]
