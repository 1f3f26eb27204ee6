"""Recipes with transformer backbones: ViTDet, Swin and MViTv2, for COCO and LVIS."""
