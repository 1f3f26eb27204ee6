"""Datasets for semantic segmentation: a label image for each photo."""

import logging
import os
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


def _files_below(root: str, extension: str) -> dict[str, str]:
    """Map names without extension, relative to the root, to full paths."""
    if not os.path.isdir(root):
        raise FileNotFoundError(f"load_sem_seg: no such folder: {root}")
    suffix = f".{extension}"
    return {
        path.relative_to(root).as_posix()[: -len(suffix)]: os.path.join(root, path.relative_to(root))
        for path in Path(root).rglob(f"*{suffix}")
        if path.is_file()
    }


def load_sem_seg(
    gt_root: str | os.PathLike[str],
    image_root: str | os.PathLike[str],
    gt_ext: str = "png",
    image_ext: str = "jpg",
) -> list[dict[str, Any]]:
    """Pair photos with label images by their paths below two folders. The files are not read.

    Args:
        gt_root: The folder of label images, whose pixels are class numbers.
        image_root: The folder of photos.
        gt_ext: Extension of label images.
        image_ext: Extension of photos.

    Returns:
        Dicts with `file_name` and `sem_seg_file_name`, ordered by path. Where the folders differ, what they have in
        common is taken and a warning is logged.

    Raises:
        FileNotFoundError: A folder is missing, or the two have nothing in common.
    """
    labels, photos = _files_below(os.fspath(gt_root), gt_ext), _files_below(os.fspath(image_root), image_ext)
    common = sorted(labels.keys() & photos.keys())
    if not common:
        raise FileNotFoundError(
            f"load_sem_seg: {len(photos)} *.{image_ext} in {image_root} and {len(labels)} *.{gt_ext} in {gt_root} "
            "have no name in common"
        )
    if len(labels) != len(photos) or len(common) != len(photos):
        logger.warning(
            "%s has %d photos, %s %d labels; %d are used", image_root, len(photos), gt_root, len(labels), len(common)
        )
    return [{"file_name": photos[name], "sem_seg_file_name": labels[name]} for name in common]
