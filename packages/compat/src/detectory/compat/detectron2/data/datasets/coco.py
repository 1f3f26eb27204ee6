"""COCO's datasets under Detectron2's module path."""

from detectory.data.datasets import load_coco_json, register_coco_instances

__all__ = ["load_coco_json", "register_coco_instances"]
