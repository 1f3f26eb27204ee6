"""COCO datasets under Detectron2's module path."""

import argparse

from pycocotools.coco import COCO

from detectory.compat.detectron2.data.datasets._draw_records import draw_records
from detectory.compat.detectron2.utils.file_io import PathManager
from detectory.compat.fvcore.common.file_io import file_lock
from detectory.compat.fvcore.common.timer import Timer
from detectory.data import DatasetCatalog, MetadataCatalog, register_coco_instances
from detectory.data.conversion import convert_to_coco_dict, convert_to_coco_json
from detectory.data.formats import load_sem_seg
from detectory.data.registration import load_coco_json
from detectory.structures import Boxes, BoxMode, PolygonMasks, RotatedBoxes

__all__ = [
    "COCO",
    "BoxMode",
    "Boxes",
    "DatasetCatalog",
    "MetadataCatalog",
    "PathManager",
    "PolygonMasks",
    "RotatedBoxes",
    "Timer",
    "convert_to_coco_dict",
    "convert_to_coco_json",
    "file_lock",
    "load_coco_json",
    "load_sem_seg",
    "main",
    "register_coco_instances",
]


def main(argv: list[str] | None = None) -> None:
    """Draw the annotations of a COCO file: `python -m detectron2.data.datasets.coco JSON IMAGES NAME`."""
    parser = argparse.ArgumentParser(description="Draw the annotations of a COCO file.")
    parser.add_argument("json_file")
    parser.add_argument("image_root")
    parser.add_argument("dataset_name", help="dataset that provides the class names")
    parser.add_argument("--output", default="coco-data-vis", help="output folder")
    arguments = parser.parse_args(argv)
    records = load_coco_json(arguments.json_file, arguments.image_root, arguments.dataset_name)
    draw_records(records, MetadataCatalog.get(arguments.dataset_name), arguments.output)


if __name__ == "__main__":
    main()
