"""LVIS under Detectron2's module path."""

import argparse
from typing import Any

from detectory.compat.detectron2.data.datasets._draw_records import draw_records
from detectory.compat.detectron2.utils.file_io import PathManager
from detectory.data import DatasetCatalog, MetadataCatalog, register_lvis_instances
from detectory.data.metadata.lvis import get_lvis_instances_meta
from detectory.data.registration import load_lvis_json
from detectory.structures import BoxMode

__all__ = [
    "BoxMode",
    "DatasetCatalog",
    "MetadataCatalog",
    "PathManager",
    "get_lvis_instances_meta",
    "load_lvis_json",
    "main",
    "register_lvis_instances",
]


def _get_lvis_instances_meta_v0_5() -> dict[str, Any]:
    return get_lvis_instances_meta("lvis_v0.5")


def _get_lvis_instances_meta_v1() -> dict[str, Any]:
    return get_lvis_instances_meta("lvis_v1")


def main(argv: list[str] | None = None) -> None:
    """Draw the annotations of an LVIS file: `python -m detectron2.data.datasets.lvis JSON IMAGES NAME N`."""
    parser = argparse.ArgumentParser(description="Draw the annotations of an LVIS file.")
    parser.add_argument("json_file")
    parser.add_argument("image_root")
    parser.add_argument("dataset_name", help="dataset that provides the class names")
    parser.add_argument("limit", nargs="?", type=int, help="number of images; all by default")
    parser.add_argument("--output", default="lvis-data-vis", help="output folder")
    arguments = parser.parse_args(argv)
    records = load_lvis_json(arguments.json_file, arguments.image_root, arguments.dataset_name)
    draw_records(records[: arguments.limit], MetadataCatalog.get(arguments.dataset_name), arguments.output)


if __name__ == "__main__":
    main()
