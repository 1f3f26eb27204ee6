"""Readers of dataset formats, and functions that register datasets of these formats."""

from __future__ import annotations

from .cityscapes import load_cityscapes_instances, load_cityscapes_panoptic, load_cityscapes_semantic
from .coco import load_coco_json
from .coco_index import CocoIndex, open_coco_index
from .coco_panoptic import (
    load_coco_panoptic_json,
    merge_to_panoptic,
    register_coco_panoptic,
    register_coco_panoptic_separated,
)
from .coco_registration import register_coco_instances
from .convert import convert_labelme, convert_voc, convert_yolo, write_coco
from .labelme import load_labelme
from .lvis import get_lvis_instances_meta, load_lvis_json, register_lvis_instances
from .mask_outlines import mask_to_polygons
from .panoptic_png import ids_to_rgb, read_panoptic_png, rgb_to_ids, write_panoptic_png
from .pascal_voc import load_voc_instances, register_pascal_voc
from .prepare import (
    cocofy_lvis,
    convert_ade20k_labels,
    create_cityscapes_panoptic,
    create_cityscapes_train_ids,
    separate_coco_semantic_from_panoptic,
)
from .semantic import load_sem_seg
from .to_coco import convert_to_coco_dict, convert_to_coco_json, records_to_coco
from .write_folders import write_labelme, write_voc, write_yolo
from .yolo import load_yolo

__all__ = [
    "CocoIndex",
    "cocofy_lvis",
    "convert_ade20k_labels",
    "convert_labelme",
    "convert_to_coco_dict",
    "convert_to_coco_json",
    "convert_voc",
    "convert_yolo",
    "create_cityscapes_panoptic",
    "create_cityscapes_train_ids",
    "get_lvis_instances_meta",
    "ids_to_rgb",
    "load_cityscapes_instances",
    "load_cityscapes_panoptic",
    "load_cityscapes_semantic",
    "load_coco_json",
    "load_coco_panoptic_json",
    "load_labelme",
    "load_lvis_json",
    "load_sem_seg",
    "load_voc_instances",
    "load_yolo",
    "mask_to_polygons",
    "merge_to_panoptic",
    "open_coco_index",
    "read_panoptic_png",
    "records_to_coco",
    "register_coco_instances",
    "register_coco_panoptic",
    "register_coco_panoptic_separated",
    "register_lvis_instances",
    "register_pascal_voc",
    "rgb_to_ids",
    "separate_coco_semantic_from_panoptic",
    "write_coco",
    "write_labelme",
    "write_panoptic_png",
    "write_voc",
    "write_yolo",
]
