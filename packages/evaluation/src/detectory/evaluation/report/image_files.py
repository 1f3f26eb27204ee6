"""Image files of a COCO annotation file."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detectory.evaluation.coco.ground_truth import CocoGroundTruth

_NUM_PROBED = 20
"""Number of images that are looked up to recognise their folder."""


class ImageFiles:
    """Paths of the images of a dataset.

    Args:
        ground_truth: A ground truth whose images have a `file_name`, or a `coco_url` as in LVIS.
        folder: Folder of the images. None: search the usual folders next to the annotation file.

    Attributes:
        folder: Folder of the images, None if the search failed.

    Raises:
        FileNotFoundError: If `folder` is given but has none of the first images.
    """

    def __init__(self, ground_truth: CocoGroundTruth, folder: str | os.PathLike | None = None) -> None:
        images = ground_truth.dataset["images"]
        self._names = {image["id"]: name for image in images if (name := _file_name(image))}
        probed = list(self._names.values())[:_NUM_PROBED]
        candidates = [Path(folder)] if folder is not None else _candidate_folders(ground_truth.name)
        self.folder = next((c for c in candidates if any((c / name).is_file() for name in probed)), None)
        if folder is not None and self.folder is None:
            example = f"for example {probed[0]}" if probed else "which has no file names"
            raise FileNotFoundError(f"ImageFiles: {folder} has no image of {ground_truth.name}, {example}")

    def find(self, image_id: Any) -> Path | None:
        """Return the path of an image, None if there is no such file."""
        name = self._names.get(image_id)
        if name is None or self.folder is None:
            return None
        path = self.folder / name
        return path if path.is_file() else None

    def name(self, image_id: Any) -> str:
        """Return the file name of an image, or its id if it has none."""
        return self._names.get(image_id, str(image_id))


def _file_name(image: Mapping[str, Any]) -> str:
    return str(image.get("file_name") or "/".join(str(image.get("coco_url", "")).split("/")[-2:]))


def _candidate_folders(annotations: str) -> list[Path]:
    """Folders to search, in order: for `annotations/instances_val2017.json`, `val2017`, `images/val2017` and so on."""
    path = Path(annotations)
    if path.suffix != ".json":
        return []
    parent, grandparent, split = path.parent, path.parent.parent, path.stem.rpartition("_")[2]
    names = (split, f"images/{split}", "images", "JPEGImages")
    return [*(base / name for base in (grandparent, parent) for name in names), grandparent, parent]
