"""The ground truth of an evaluation: a COCO annotation file, or any dataset in the standard format turned into one."""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import hotcoco
import numpy as np

from detectory import ops
from detectory.core.storage import read_json
from detectory.data.formats.coco.problems import first_problem
from detectory.structures import BoxMode, polygon_area

_NEEDED = {"images": ("id",), "annotations": ("id", "image_id", "category_id", "bbox"), "categories": ("id",)}
# What figures depend on, in COCO and in LVIS; problems of other fields do not matter.
_READ = {
    "images": {"id", "file_name", "height", "width", "neg_category_ids", "not_exhaustive_category_ids"},
    "annotations": {
        *("id", "image_id", "category_id", "bbox", "area", "iscrowd"),
        *("segmentation", "keypoints", "num_keypoints"),
    },
    "categories": {"id", "name", "frequency"},
}


class CocoGroundTruth:
    """Images, categories and annotations of a dataset.

    Args:
        source: The path of a COCO annotation file, or what such a file holds as a dict. Images may be named by text
            instead of integers.

    Raises:
        ValueError: where the source is no COCO dataset; the message names the file, the entry and what is wrong.
    """

    def __init__(self, source: str | os.PathLike | Mapping[str, Any]) -> None:
        self._source = source
        self.numbers = None
        if isinstance(source, Mapping):
            self.name = "the annotations"
            self.index = self._index_of_entries()
        else:
            self.name = os.fspath(source)
            self.index = self._index_of_file(Path(source))

    index: hotcoco.COCO
    """The engine's view of the dataset, its images named by integers."""

    numbers: dict[Any, int] | None
    """Image id to the integer that stands for it in `index`; None where the ids are integers themselves."""

    @cached_property
    def dataset(self) -> Mapping[str, Any]:
        """The whole dataset as COCO's JSON has it."""
        return self._source if isinstance(self._source, Mapping) else read_json(self._source)

    @cached_property
    def image_sizes(self) -> dict[Any, tuple[int, int]]:
        """Image id to (height, width)."""
        ids = {number: image for image, number in (self.numbers or {}).items()}
        images = self.index.imgs.items()
        return {ids.get(number, number): (image["height"], image["width"]) for number, image in images}

    @cached_property
    def category_names(self) -> dict[int, str]:
        """Category id to name, in ascending order of the ids."""
        return {key: category.get("name", str(key)) for key, category in sorted(self.index.cats.items())}

    def check(self) -> None:
        """Look at every entry.

        Raises:
            ValueError: naming the first one that lacks a field.
        """
        for key, fields in _NEEDED.items():
            entries = self.dataset.get(key) if isinstance(self.dataset, Mapping) else None
            if not isinstance(entries, list):
                raise ValueError(f"CocoGroundTruth: {self.name} is no COCO dataset: it has no list {key!r}")
            for position, entry in enumerate(entries):
                if not isinstance(entry, Mapping):
                    raise ValueError(f"CocoGroundTruth: {self.name}: {key}[{position}] is no object: {entry!r:.80}")
                for field in fields:
                    if field not in entry:
                        place = f"{key}[{position}] (id {entry.get('id')})"
                        raise ValueError(f"CocoGroundTruth: {self.name}: {place} has no {field!r}")

    def _index_of_file(self, path: Path) -> hotcoco.COCO:
        """Read a file in the engine, which is fast but strict and terse: what it refuses is read entry by entry."""
        try:
            index = hotcoco.COCO(str(path))
        except ValueError:
            return self._index_of_entries()
        if not (index.get_img_ids() and index.get_cat_ids() and index.get_ann_ids()):
            self.check()
        return index

    def _index_of_entries(self) -> hotcoco.COCO:
        self.check()
        try:
            self.numbers = _image_numbers(self.dataset)
            return hotcoco.COCO(_renumbered(self.dataset, self.numbers))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            reason = first_problem(self.dataset, self.name) or f"{self.name} cannot be read: {error}"
            raise ValueError(f"CocoGroundTruth: {reason}") from error


def ground_truth_of(dicts: Sequence[Mapping[str, Any]], metadata: Any) -> CocoGroundTruth:
    """Turn a dataset in the standard format into COCO's.

    Args:
        dicts: One dict an image with `image_id`, `height`, `width` and `annotations`.
        metadata: With `thing_classes` and, where category ids are not 0 to K - 1, `thing_dataset_id_to_contiguous_id`.

    Returns:
        The ground truth, image ids as they are.

    Raises:
        ValueError: where an image lacks a field, by its position.
    """
    contiguous = getattr(metadata, "thing_dataset_id_to_contiguous_id", None)
    ids = {v: k for k, v in contiguous.items()} if contiguous else dict(enumerate(range(len(metadata.thing_classes))))
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for position, record in enumerate(dicts):
        missing = [key for key in ("image_id", "height", "width", "annotations") if key not in record]
        if missing:
            raise ValueError(f"ground_truth_of: image {position} ({record.get('file_name')}) has no {missing[0]!r}")
        images.append({"id": record["image_id"], "height": int(record["height"]), "width": int(record["width"])})
        for annotation in record["annotations"]:
            entry = _coco_annotation(annotation, record)
            entry |= {"id": len(annotations) + 1, "category_id": ids[annotation["category_id"]]}
            annotations.append(entry)
    names = list(metadata.thing_classes)
    categories = [{"id": ids[index], "name": name} for index, name in enumerate(names)]
    return CocoGroundTruth({"images": images, "annotations": annotations, "categories": categories})


def _coco_annotation(annotation: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    box, mode = list(annotation["bbox"]), BoxMode(annotation["bbox_mode"])
    if mode != BoxMode.XYWHA_ABS:
        box = [float(v) for v in BoxMode.convert(box, mode, BoxMode.XYWH_ABS)]
    entry = {"image_id": record["image_id"], "bbox": box, "iscrowd": int(annotation.get("iscrowd", 0))}
    entry["area"] = float(box[2] * box[3])
    segmentation = annotation.get("segmentation")
    if segmentation:
        entry["segmentation"] = segmentation
        if isinstance(segmentation, Mapping):
            entry["segmentation"] = {"size": list(segmentation["size"]), "counts": segmentation["counts"]}
            entry["area"] = float(ops.rle_area(segmentation))
        else:
            polygons = [np.asarray(p, dtype=np.float64).reshape(-1, 2) for p in segmentation]
            entry["area"] = float(sum(polygon_area(p[:, 0], p[:, 1]) for p in polygons))
    keypoints = annotation.get("keypoints")
    if keypoints is not None:
        points = np.asarray(keypoints, dtype=np.float64).reshape(-1, 3).copy()
        # The standard format counts from the corner of the first pixel, COCO from its centre.
        points[:, :2] -= 0.5
        entry["keypoints"] = points.reshape(-1).tolist()
        entry["num_keypoints"] = annotation.get("num_keypoints", int((points[:, 2] > 0).sum()))
    return entry


def _image_numbers(dataset: Mapping[str, Any]) -> dict[Any, int] | None:
    ids = [image["id"] for image in dataset["images"]]
    if all(isinstance(i, (int, np.integer)) and i >= 0 for i in ids):
        return None
    return {image: number for number, image in enumerate(ids, start=1)}


def _renumbered(dataset: Mapping[str, Any], numbers: Mapping[Any, int] | None) -> dict[str, Any]:
    """The dataset for the engine: only what it needs, images named by integers, boxes upright."""
    chosen = {
        key: [{name: entry[name] for name in entry.keys() & read} for entry in dataset[key]]
        for key, read in _READ.items()
    }
    for annotation in chosen["annotations"]:
        annotation["bbox"] = _upright(annotation["bbox"])
    if numbers is not None:
        chosen["images"] = [{**image, "id": numbers[image["id"]]} for image in chosen["images"]]
        annotations = chosen["annotations"]
        chosen["annotations"] = [{**a, "image_id": numbers[a["image_id"]]} for a in annotations]
    return chosen


def _upright(box: Sequence[float]) -> list[float]:
    """A rotated box as (x, y, width, height) without its angle, for an engine that knows no others."""
    if len(box) != 5:
        return list(box)
    return [box[0] - box[2] / 2, box[1] - box[3] / 2, box[2], box[3]]
