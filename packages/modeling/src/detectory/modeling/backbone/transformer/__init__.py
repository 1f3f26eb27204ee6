"""Transformer backbones."""

from .mvit import MViT
from .swin import SwinTransformer
from .vit import ViT, get_vit_lr_decay_rate

__all__ = ["MViT", "SwinTransformer", "ViT", "get_vit_lr_decay_rate"]
