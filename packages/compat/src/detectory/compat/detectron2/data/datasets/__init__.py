"""Readers of dataset formats under Detectron2's module path."""

from detectory.data import (
    register_coco_instances,
    register_coco_panoptic,
    register_coco_panoptic_separated,
    register_lvis_instances,
    register_pascal_voc,
)
from detectory.data.conversion import convert_to_coco_json
from detectory.data.formats import load_sem_seg, load_voc_instances
from detectory.data.metadata.lvis import get_lvis_instances_meta
from detectory.data.registration import load_coco_json, load_lvis_json

__all__ = [
    "convert_to_coco_json",
    "get_lvis_instances_meta",
    "load_coco_json",
    "load_lvis_json",
    "load_sem_seg",
    "load_voc_instances",
    "register_coco_instances",
    "register_coco_panoptic",
    "register_coco_panoptic_separated",
    "register_lvis_instances",
    "register_pascal_voc",
]
