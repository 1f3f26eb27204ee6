"""MViTv2 under Detectron2's module path."""

from detectory.modeling.backbone.mvit import MultiScaleAttention, MultiScaleBlock, MViT, attention_pool

__all__ = ["MViT", "MultiScaleAttention", "MultiScaleBlock", "attention_pool"]
