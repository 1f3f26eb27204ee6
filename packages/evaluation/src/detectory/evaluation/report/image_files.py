"""Finds the pictures that an annotation file speaks of."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detectory.evaluation.coco.ground_truth import CocoGroundTruth

_LOOKED_AT = 20


class ImageFiles:
    """The picture of each image id, as far as it is there.

    Args:
        truth: The ground truth; its images have a `file_name`, or a `coco_url` as LVIS has them.
        folder: Where the pictures are; None: looked for beside the annotation file, as COCO's folders lie.

    Raises:
        FileNotFoundError: where `folder` is given and holds none of the first pictures.
    """

    def __init__(self, truth: CocoGroundTruth, folder: str | os.PathLike | None = None) -> None:
        images = truth.dataset["images"]
        self._names = {image["id"]: name for image in images if (name := _file_name(image))}
        first = list(self._names.values())[:_LOOKED_AT]
        places = [Path(folder)] if folder is not None else _likely_folders(truth.name)
        self.folder = next((place for place in places if any((place / name).is_file() for name in first)), None)
        if folder is not None and self.folder is None:
            example = f"such as {first[0]}" if first else "the annotations name none"
            raise FileNotFoundError(f"ImageFiles: {folder} holds no picture of {truth.name}, {example}")

    def find(self, image_id: Any) -> Path | None:
        """The picture's path, None where there is none."""
        name = self._names.get(image_id)
        if name is None or self.folder is None:
            return None
        path = self.folder / name
        return path if path.is_file() else None

    def name(self, image_id: Any) -> str:
        """The picture's file name, else its id as text."""
        return self._names.get(image_id, str(image_id))


def _file_name(image: Mapping[str, Any]) -> str:
    return str(image.get("file_name") or "/".join(str(image.get("coco_url", "")).split("/")[-2:]))


def _likely_folders(annotations: str) -> list[Path]:
    """For `annotations/instances_val2017.json`: `val2017`, `images/val2017` and so on, the nearest first."""
    path = Path(annotations)
    if path.suffix != ".json":
        return []
    here, above, split = path.parent, path.parent.parent, path.stem.rpartition("_")[2]
    places = [base / name for base in (above, here) for name in (split, f"images/{split}", "images", "JPEGImages")]
    return [*places, above, here]
