"""Readers and writers of dataset formats."""

from .cityscapes import load_cityscapes_instances, load_cityscapes_panoptic, load_cityscapes_semantic
from .coco.index import CocoIndex, open_coco_index
from .coco.reader import load_coco_json
from .coco.writer import convert_to_coco_dict, convert_to_coco_json, records_to_coco
from .convert import convert_labelme, convert_voc, convert_yolo, write_coco
from .labelme.reader import load_labelme
from .lvis import get_lvis_instances_meta, load_lvis_json
from .mask_outlines import mask_to_polygons
from .panoptic.png import ids_to_rgb, read_panoptic_png, rgb_to_ids, write_panoptic_png
from .panoptic.reader import load_coco_panoptic_json, merge_to_panoptic
from .semantic import load_sem_seg
from .voc.reader import load_voc_instances
from .write_folders import write_labelme, write_voc, write_yolo
from .yolo.reader import load_yolo

__all__ = [
    "CocoIndex",
    "convert_labelme",
    "convert_to_coco_dict",
    "convert_to_coco_json",
    "convert_voc",
    "convert_yolo",
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
    "rgb_to_ids",
    "write_coco",
    "write_labelme",
    "write_panoptic_png",
    "write_voc",
    "write_yolo",
]
