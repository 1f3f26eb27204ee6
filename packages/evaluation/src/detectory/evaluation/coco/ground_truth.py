"""COCO ground truth, from an annotation file or from the records of a registered dataset."""

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import hotcoco
import numpy as np

from detectory.core.storage import read_json
from detectory.data.formats import records_to_coco
from detectory.data.formats.coco.geometry import upright_box
from detectory.data.formats.coco.problems import MAX_ID, category_id_problem, first_problem
from detectory.structures.records import DatasetRecord

_stderr_lock = threading.Lock()
_REQUIRED_FIELDS = {
    "images": ("id",),
    "annotations": ("image_id", "category_id", "bbox"),
    "categories": ("id",),
}
# The fields that COCO and LVIS metrics depend on. All others may have any content.
_METRIC_FIELDS = {
    "images": {"id", "file_name", "height", "width", "neg_category_ids", "not_exhaustive_category_ids"},
    "annotations": {
        *("image_id", "category_id", "bbox", "area", "iscrowd"),
        *("segmentation", "keypoints", "num_keypoints"),
    },
    "categories": {"id", "name", "frequency"},
}


class CocoGroundTruth:
    """Images, categories and annotations of a dataset.

    Args:
        source: Path or content of a COCO annotation file. Image ids may be strings instead of integers. Annotation ids
            may be missing, repeated or of any type: metrics do not depend on them.

    Attributes:
        index: The dataset as a hotcoco object, in which every image id is an integer and every annotation id is unique.
        integer_ids: Image id to the integer that replaces it in `index`. None if the image ids are integers already.
        name: Path of the file, or "the annotations".

    Raises:
        ValueError: If the source is not a COCO dataset. The message names the file, the entry and the problem.
    """

    index: hotcoco.COCO
    integer_ids: dict[Any, int] | None

    def __init__(self, source: str | os.PathLike | Mapping[str, Any]) -> None:
        self._source = source
        self.integer_ids = None
        if isinstance(source, Mapping):
            self.name = "the annotations"
            self.index = self._index_of_dataset()
        else:
            self.name = os.fspath(source)
            self.index = self._index_of_file(Path(source))

    @cached_property
    def dataset(self) -> Mapping[str, Any]:
        """The whole dataset in COCO's JSON structure."""
        return self._source if isinstance(self._source, Mapping) else read_json(self._source)

    @cached_property
    def image_sizes(self) -> dict[Any, tuple[int, int]]:
        """Image id to (height, width)."""
        ids = {number: image_id for image_id, number in (self.integer_ids or {}).items()}
        images = self.index.imgs.items()
        return {ids.get(number, number): (image["height"], image["width"]) for number, image in images}

    @cached_property
    def category_names(self) -> dict[int, str]:
        """Category id to name, in ascending order of the ids."""
        return {key: category.get("name", str(key)) for key, category in sorted(self.index.cats.items())}

    def check(self) -> None:
        """Check that every entry has the required fields.

        Raises:
            ValueError: If an entry lacks a field. The message names the first such entry.
        """
        for key, fields in _REQUIRED_FIELDS.items():
            entries = self.dataset.get(key) if isinstance(self.dataset, Mapping) else None
            if not isinstance(entries, list):
                raise ValueError(f"CocoGroundTruth: {self.name} is not a COCO dataset: list {key!r} is missing")
            for position, entry in enumerate(entries):
                if not isinstance(entry, Mapping):
                    raise ValueError(f"CocoGroundTruth: {self.name}: {key}[{position}] is not an object: {entry!r:.80}")
                for field in fields:
                    if field not in entry:
                        label = f"{key}[{position}] (id {entry.get('id')})"
                        raise ValueError(f"CocoGroundTruth: {self.name}: {label}: missing field {field!r}")
        for category in self.dataset["categories"]:
            if message := category_id_problem(category["id"]):
                hint = "Number the categories from 1, in 'categories' and in all annotations"
                raise ValueError(f"CocoGroundTruth: {self.name}: category {category['id']}: id: {message}. {hint}")

    def _index_of_file(self, path: Path) -> hotcoco.COCO:
        """Read a file with hotcoco; read the files that hotcoco rejects in Python.

        hotcoco is fast, but rejects string ids and unusual values of unrelated fields, and its errors name no entry.
        """
        try:
            with _without_messages_of_hotcoco():
                index = hotcoco.COCO(str(path))
        except ValueError:
            return self._index_of_dataset()
        if max([*index.get_img_ids(), *index.get_cat_ids()], default=0) >= MAX_ID:
            return self._index_of_dataset()
        annotation_ids = index.get_ann_ids()
        if not (index.get_img_ids() and index.get_cat_ids() and annotation_ids):
            self.check()  # hotcoco reads any JSON object as an empty dataset
        # hotcoco reads a missing id as 0, and finds only the last annotation of several with the same id.
        return index if len(set(annotation_ids)) == len(annotation_ids) else self._index_of_dataset()

    def _index_of_dataset(self) -> hotcoco.COCO:
        self.check()
        try:
            self.integer_ids = _integer_ids(self.dataset)
            return hotcoco.COCO(_for_hotcoco(self.dataset, self.integer_ids))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            reason = first_problem(self.dataset, self.name) or f"{self.name} cannot be read: {error}"
            raise ValueError(f"CocoGroundTruth: {reason}") from error


def ground_truth_from_records(records: Sequence[DatasetRecord], metadata: Any) -> CocoGroundTruth:
    """Convert dataset records to a COCO ground truth.

    Args:
        records: One dict per image with `image_id`, `height`, `width` and `annotations`.
        metadata: Metadata with `thing_classes` and, if category ids are not 0 to K - 1,
            `thing_dataset_id_to_contiguous_id`.

    Returns:
        The ground truth with the image ids of the records and the category ids of the dataset.

    Raises:
        ValueError: If a record lacks a field. The message names its index.
    """
    for position, record in enumerate(records):
        missing = [key for key in ("image_id", "height", "width", "annotations") if key not in record]
        if missing:
            name = record.get("file_name")
            raise ValueError(f"ground_truth_from_records: image {position} ({name}): missing field {missing[0]!r}")
    contiguous_ids = getattr(metadata, "thing_dataset_id_to_contiguous_id", None)
    category_ids = {index: category for category, index in contiguous_ids.items()} if contiguous_ids else None
    return CocoGroundTruth(records_to_coco(records, metadata.thing_classes, category_ids))


@contextlib.contextmanager
def _without_messages_of_hotcoco() -> Iterator[None]:
    """Omit the lines that hotcoco writes to standard error, about repeated ids that are replaced anyway.

    hotcoco writes to the file descriptor, below `sys.stderr`. Lines of other threads are written at the end.
    """
    with _stderr_lock, tempfile.TemporaryFile() as captured:
        sys.stderr.flush()
        original = os.dup(2)
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(original, 2)
            os.close(original)
            captured.seek(0)
            for line in captured:
                if not line.startswith(b"hotcoco: "):
                    os.write(2, line)


def _integer_ids(dataset: Mapping[str, Any]) -> dict[Any, int] | None:
    ids = [image["id"] for image in dataset["images"]]
    if all(isinstance(i, (int, np.integer)) and 0 <= i < MAX_ID for i in ids):
        return None
    return {image_id: number for number, image_id in enumerate(ids, start=1)}


def _for_hotcoco(dataset: Mapping[str, Any], integer_ids: Mapping[Any, int] | None) -> dict[str, Any]:
    """The part of a dataset that metrics depend on, with integer image ids, new annotation ids and upright boxes."""
    reduced = {
        key: [{field: entry[field] for field in entry.keys() & fields} for entry in dataset[key]]
        for key, fields in _METRIC_FIELDS.items()
    }
    for number, annotation in enumerate(reduced["annotations"], start=1):
        annotation["id"] = number
        annotation["bbox"] = _upright(annotation["bbox"])
    if integer_ids is not None:
        for image in reduced["images"]:
            image["id"] = integer_ids[image["id"]]
        for annotation in reduced["annotations"]:
            annotation["image_id"] = integer_ids[annotation["image_id"]]
    return reduced


def _upright(box: Sequence[float]) -> list[float]:
    """Return the box (x, y, width, height) around a rotated box, as upright detectors are trained on it."""
    return list(box) if len(box) != 5 else upright_box(box)
