"""Cityscapes' panoptic sets under Detectron2's module path."""

from detectory.data.datasets import load_cityscapes_panoptic

__all__ = ["load_cityscapes_panoptic"]
