"""Cityscapes panoptic datasets under Detectron2's module path."""

from typing import Any

from detectory.compat.detectron2.data.datasets.builtin import register_all_cityscapes_panoptic
from detectory.data.formats import load_cityscapes_panoptic
from detectory.data.formats.cityscapes import panoptic_files

__all__ = ["get_cityscapes_panoptic_files", "load_cityscapes_panoptic", "register_all_cityscapes_panoptic"]

# Folders of images and labels and annotation file in the layout of Detectron2's table.
_RAW_CITYSCAPES_PANOPTIC_SPLITS = {
    f"cityscapes_fine_panoptic_{split}": (
        f"cityscapes/leftImg8bit/{split}",
        f"cityscapes/gtFine/cityscapes_panoptic_{split}",
        f"cityscapes/gtFine/cityscapes_panoptic_{split}.json",
    )
    for split in ("train", "val")
}


def get_cityscapes_panoptic_files(
    image_dir: str, gt_dir: str, json_info: dict[str, Any]
) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """Return the image, the panoptic PNG and the segments of every annotation.

    Args:
        image_dir: For example `cityscapes/leftImg8bit/train`.
        gt_dir: Folder of the PNG files.
        json_info: Content of the annotation file.
    """
    return panoptic_files(image_dir, gt_dir, json_info["annotations"], "get_cityscapes_panoptic_files")
