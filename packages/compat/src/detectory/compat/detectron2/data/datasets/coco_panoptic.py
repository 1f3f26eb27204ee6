"""COCO panoptic datasets under Detectron2's module path."""

from detectory.data import register_coco_panoptic, register_coco_panoptic_separated
from detectory.data.formats import load_coco_panoptic_json, merge_to_panoptic

__all__ = [
    "load_coco_panoptic_json",
    "merge_to_panoptic",
    "register_coco_panoptic",
    "register_coco_panoptic_separated",
]
