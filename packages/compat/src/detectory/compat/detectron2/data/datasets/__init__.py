"""Readers of dataset formats under Detectron2's module path."""

from detectory.compat.detectron2.data.datasets.coco import load_coco_json, register_coco_instances

__all__ = ["load_coco_json", "register_coco_instances"]
