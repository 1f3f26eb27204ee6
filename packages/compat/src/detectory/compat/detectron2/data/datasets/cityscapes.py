"""Cityscapes under Detectron2's module path."""

import argparse

from detectory.compat.detectron2.data.datasets._draw_records import draw_records
from detectory.data import MetadataCatalog
from detectory.data.formats import load_cityscapes_instances, load_cityscapes_semantic

__all__ = ["load_cityscapes_instances", "load_cityscapes_semantic", "main"]


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
