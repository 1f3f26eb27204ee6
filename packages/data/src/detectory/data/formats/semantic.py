"""Semantic segmentation datasets: a folder of images and a folder of label images."""

import logging
import os
from pathlib import Path

from detectory.structures.records import DatasetRecord

_logger = logging.getLogger(__name__)


def load_sem_seg(
    gt_root: str | os.PathLike[str],
    image_root: str | os.PathLike[str],
    gt_ext: str = "png",
    image_ext: str = "jpg",
) -> list[DatasetRecord]:
    """Pair images with label images that have the same relative path, apart from the extension. No file is read.

    Args:
        gt_root: The folder of the label images. Their pixel values are class ids.
        image_root: The folder of the images.
        gt_ext: The extension of the label images.
        image_ext: The extension of the images.

    Returns:
        Records with `file_name` and `sem_seg_file_name`, sorted by path. Files without a partner are ignored with a
        warning.

    Raises:
        FileNotFoundError: If a folder does not exist, or there are no pairs.
    """
    labels, images = _files_by_name(os.fspath(gt_root), gt_ext), _files_by_name(os.fspath(image_root), image_ext)
    common = sorted(labels.keys() & images.keys())
    if not common:
        raise FileNotFoundError(
            f"load_sem_seg: none of the {len(images)} *.{image_ext} files in {image_root} has the name of one of the "
            f"{len(labels)} *.{gt_ext} files in {gt_root}"
        )
    if len(labels) != len(images) or len(common) != len(images):
        _logger.warning(
            "Using %d pairs of the %d images in %s and the %d label images in %s.",
            len(common),
            len(images),
            image_root,
            len(labels),
            gt_root,
        )
    return [{"file_name": images[name], "sem_seg_file_name": labels[name]} for name in common]


def _files_by_name(root: str, extension: str) -> dict[str, str]:
    """Return the paths of all files with an extension, by relative path without extension."""
    if not os.path.isdir(root):
        raise FileNotFoundError(f"load_sem_seg: folder {root} does not exist")
    suffix = f".{extension}"
    return {
        path.relative_to(root).as_posix()[: -len(suffix)]: os.path.join(root, path.relative_to(root))
        for path in Path(root).rglob(f"*{suffix}")
        if path.is_file()
    }
