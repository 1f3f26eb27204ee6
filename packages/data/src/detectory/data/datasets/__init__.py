"""Readers of dataset formats, and functions that register datasets of these formats."""

from .coco import load_coco_json, register_coco_instances

__all__ = ["load_coco_json", "register_coco_instances"]
