"""Cityscapes under Detectron2's module path."""

import argparse

from detectory.compat.detectron2.data.datasets._draw_records import draw_records
from detectory.compat.detectron2.data.datasets.builtin_meta import CITYSCAPES_CATEGORIES
from detectory.data import MetadataCatalog
from detectory.data.formats import load_cityscapes_instances, load_cityscapes_semantic
from detectory.data.formats.cityscapes import _image_files, _instances_record
from detectory.structures import DatasetRecord

__all__ = ["load_cityscapes_instances", "load_cityscapes_semantic", "main"]


def _get_cityscapes_files(image_dir: str, gt_dir: str) -> list[tuple[str, str, str, str]]:
    """Return image, instance labels, semantic labels and polygons file of every image."""
    return [
        (image, f"{labels}_instanceIds.png", f"{labels}_labelIds.png", f"{labels}_polygons.json")
        for image, labels in _image_files(image_dir, gt_dir)
    ]


def _cityscapes_files_to_dict(files: tuple[str, str, str, str], from_json: bool, to_polygons: bool) -> DatasetRecord:
    """Return the record of one entry of `_get_cityscapes_files`; see `load_cityscapes_instances`."""
    things = [category["id"] for category in CITYSCAPES_CATEGORIES if category["isthing"]]
    labels = files[1].removesuffix("_instanceIds.png")
    return _instances_record(files[0], labels, {label: i for i, label in enumerate(things)}, from_json, to_polygons)


def main(argv: list[str] | None = None) -> None:
    """Draw Cityscapes annotations: `python -m detectron2.data.datasets.cityscapes IMAGES LABELS`."""
    parser = argparse.ArgumentParser(description="Draw the annotations of Cityscapes.")
    parser.add_argument("image_dir")
    parser.add_argument("gt_dir")
    parser.add_argument("--type", choices=["instance", "semantic"], default="instance")
    parser.add_argument("--output", default="cityscapes-data-vis", help="output folder")
    arguments = parser.parse_args(argv)
    load = {"instance": load_cityscapes_instances, "semantic": load_cityscapes_semantic}[arguments.type]
    task = {"instance": "instance_seg", "semantic": "sem_seg"}[arguments.type]
    records = load(arguments.image_dir, arguments.gt_dir)
    draw_records(records, MetadataCatalog.get(f"cityscapes_fine_{task}_train"), arguments.output)


if __name__ == "__main__":
    main()
