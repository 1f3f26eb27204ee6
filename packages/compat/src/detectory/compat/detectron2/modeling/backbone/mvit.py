"""MViTv2 under Detectron2's module path."""

from detectory.modeling.backbone import MViT
from detectory.modeling.backbone.transformer.mvit_blocks import MultiScaleAttention, MultiScaleBlock, attention_pool

__all__ = ["MViT", "MultiScaleAttention", "MultiScaleBlock", "attention_pool"]
