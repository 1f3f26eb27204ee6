"""Readers and writers of dataset formats.

Readers return records in the standard format and do not use the catalogs; see `detectory.data.registration`. Each
format has a folder or a module:

- `coco`: instances and keypoints, with a memory-mapped index for large files
- `panoptic`: COCO's panoptic format and its PNG files
- `lvis`, `cityscapes`, `semantic`: readers of further datasets
- `voc`, `yolo`, `labelme`: one annotation file per image
- `cvat`, `via`, `datumaro`, `csv_table`: one annotation file for all images, from annotation tools
- `dota`: one file of rotated boxes per image
- `mask_folder`: images with instance masks
- `layouts`: detection of formats
- `report`: account of the objects that were kept, changed or skipped
"""

from .cityscapes import load_cityscapes_instances, load_cityscapes_panoptic, load_cityscapes_semantic
from .coco.index import CocoIndex, open_coco_index
from .coco.reader import LoadedDataset, read_coco
from .coco.writer import annotation_to_coco, records_to_coco, write_coco
from .csv_table.reader import load_csv
from .cvat.reader import load_cvat
from .datumaro.reader import load_datumaro
from .dota.reader import load_dota
from .dota.writer import write_dota
from .labelme.reader import load_labelme
from .labelme.writer import write_labelme
from .lvis import read_lvis
from .mask_folder.reader import load_masks
from .mask_outlines import join_polygons, mask_to_polygons
from .panoptic.merge import merge_to_panoptic
from .panoptic.png import read_panoptic_png, write_panoptic_png
from .panoptic.reader import load_coco_panoptic_json
from .report import ConversionReport
from .semantic import load_sem_seg
from .via.reader import load_via
from .voc.reader import load_voc_instances
from .voc.writer import write_voc
from .yolo.reader import load_yolo
from .yolo.writer import write_yolo, write_yolo_config

__all__ = [
    "CocoIndex",
    "ConversionReport",
    "LoadedDataset",
    "annotation_to_coco",
    "join_polygons",
    "load_cityscapes_instances",
    "load_cityscapes_panoptic",
    "load_cityscapes_semantic",
    "load_coco_panoptic_json",
    "load_csv",
    "load_cvat",
    "load_datumaro",
    "load_dota",
    "load_labelme",
    "load_masks",
    "load_sem_seg",
    "load_via",
    "load_voc_instances",
    "load_yolo",
    "mask_to_polygons",
    "merge_to_panoptic",
    "open_coco_index",
    "read_coco",
    "read_lvis",
    "read_panoptic_png",
    "records_to_coco",
    "write_coco",
    "write_dota",
    "write_labelme",
    "write_panoptic_png",
    "write_voc",
    "write_yolo",
    "write_yolo_config",
]
