"""Cityscapes under Detectron2's module path."""

from detectory.data.datasets import load_cityscapes_instances, load_cityscapes_semantic

__all__ = ["load_cityscapes_instances", "load_cityscapes_semantic"]
