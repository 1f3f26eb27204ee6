"""COCO annotations as a memory-mapped file: loaded in a moment, shared by all processes."""

import json
import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from detectory.data.catalog import MetadataCatalog
from detectory.data.formats.json_file import read_json
from detectory.data.problems import Problem, raise_first
from detectory.structures import BoxMode

from .columns import POLYGONS, RLE, CocoColumns
from .index_file import MappedIndex, index_path, write_index
from .reader import good_parts, load_coco_json, numbers_first, set_thing_metadata

# Records made between two releases of the mapped pages. One touches a dozen places, each of which brings in 64 KiB.
_RECORDS_PER_RELEASE = 16


class CocoIndex(Sequence):
    """The records of a COCO file as a list that makes each record when it is asked for.

    A record equals the one of `load_coco_json` but for rounding: polygons and keypoints are stored as float32.
    What a record holds may be changed freely; the index does not change. All processes share the memory of one mapped
    file.

    Args:
        index: The mapped arrays.
        image_root: The folder of the images.
        rows: Which records, in which order; all by default.
    """

    def __init__(self, index: MappedIndex, image_root: str, rows: np.ndarray | None = None) -> None:
        self._index, self._root = index, image_root
        self._rows = np.arange(len(index.arrays["image_size"])) if rows is None else rows
        self._made = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, item: Any) -> Any:
        """Make one record; a slice or a list of numbers gives an index of these."""
        if isinstance(item, (slice, list, np.ndarray)):
            return CocoIndex(self._index, self._root, self._rows[item])
        arrays, row = self._index.arrays, int(self._rows[item])
        name = _text(arrays["file_names"], arrays["file_name_ends"], row)
        first, last = arrays["image_annotations"][row : row + 2].tolist()
        height, width = arrays["image_size"][row].tolist()
        annotations = [self._annotation(number) for number in range(first, last)]
        self._made += 1
        if self._made % _RECORDS_PER_RELEASE == 0:
            self._index.release()
        return {
            "file_name": os.path.join(self._root, name),
            "height": height,
            "width": width,
            "image_id": json.loads(_bytes(arrays["image_ids"], arrays["image_id_ends"], row)),
            "annotations": annotations,
        }

    def _annotation(self, row: int) -> dict[str, Any]:
        arrays = self._index.arrays
        annotation: dict[str, Any] = {
            "iscrowd": int(arrays["iscrowd"][row]),
            "bbox": arrays["bbox"][row].tolist(),
            "category_id": int(arrays["category"][row]),
            "bbox_mode": BoxMode.XYWH_ABS,
        }
        kind = arrays["mask_kind"][row]
        if kind == POLYGONS:
            first, last = arrays["annotation_parts"][row : row + 2].tolist()
            ends = arrays["part_ends"][first : last + 1].tolist()
            points = arrays["points"]
            annotation["segmentation"] = [points[a:b].tolist() for a, b in pairwise(ends)]
        elif kind == RLE:
            counts = _bytes(arrays["codes"], arrays["code_ends"], row)
            annotation["segmentation"] = {"size": arrays["code_size"][row].tolist(), "counts": counts}
        first, last = arrays["keypoint_ends"][row : row + 2].tolist()
        if last > first:
            annotation["keypoints"] = arrays["keypoints"][first:last].tolist()
        return annotation

    def without_empty(self) -> "CocoIndex":
        """Leave out images that have no annotation but crowds, without making records."""
        arrays = self._index.arrays
        useful = np.concatenate([[0], np.cumsum(arrays["iscrowd"] == 0)])
        ends = arrays["image_annotations"]
        counts = useful[ends[1:]] - useful[ends[:-1]]
        return CocoIndex(self._index, self._root, self._rows[counts[self._rows] > 0])

    def category_counts(self) -> dict[int, int]:
        """Count the instances of each category that are no crowd, without making records."""
        arrays = self._index.arrays
        is_used = np.zeros(len(arrays["image_size"]), dtype=bool)
        is_used[self._rows] = True
        kept = np.repeat(is_used, np.diff(arrays["image_annotations"])) & (arrays["iscrowd"] == 0)
        return dict(enumerate(np.bincount(arrays["category"][kept]).tolist()))

    @property
    def path(self) -> str:
        """The mapped file."""
        return self._index.path


def _bytes(data: np.ndarray, ends: np.ndarray, row: int) -> bytes:
    return data[int(ends[row]) : int(ends[row + 1])].tobytes()


def _text(data: np.ndarray, ends: np.ndarray, row: int) -> str:
    return _bytes(data, ends, row).decode()


def open_coco_index(
    json_file: str | os.PathLike[str],
    image_root: str | os.PathLike[str],
    dataset_name: str | None = None,
    *,
    skip_invalid: bool = False,
) -> CocoIndex:
    """Load a file of COCO's instances or keypoints format through a cached index.

    The first call reads and checks the whole file, as `load_coco_json` does, and writes the index beside it (in
    the cache where the folder cannot be written). Later calls map the index. It is made anew when the file changes;
    when several processes start at once each makes it and the last one stays.

    Args:
        json_file: The annotation file. Without `dataset_name` its category ids must be numbers.
        image_root: The folder of the images.
        dataset_name: If given, the dataset's metadata are set, and category ids are contiguous.
        skip_invalid: Whether bad records are left out and counted; such an index is apart from a strict one.

    Returns:
        A list-like object of records.
    """
    kind = f"coco{'-skip' if skip_invalid else ''}{'' if dataset_name is None else '-contiguous'}"
    path = index_path(json_file, kind)
    if not path.exists():
        _build(path, os.fspath(json_file), dataset_name, skip_invalid)
    try:
        index = MappedIndex(path)
    except (ValueError, FileNotFoundError):
        # Damaged, or removed by a process that found a newer annotation file.
        _build(path, os.fspath(json_file), dataset_name, skip_invalid)
        index = MappedIndex(path)
    if dataset_name is not None:
        id_map = {category: number for number, category in enumerate(index.facts["category_ids"])}
        set_thing_metadata(MetadataCatalog.get(dataset_name), list(index.facts["names"]), id_map)
    return CocoIndex(index, os.fspath(image_root))


def _build(path: Path, json_file: str, dataset_name: str | None, skip_invalid: bool) -> None:
    """Read a COCO file and write its index."""
    columns = CocoColumns()
    if not columns.read(json_file):
        columns = _good_columns(json_file, skip_invalid)
    categories = sorted(columns.categories, key=lambda category: numbers_first(category["id"]))
    if dataset_name is None:
        raise_first(_category_id_problems(categories, json_file))
    ids = [category["id"] for category in categories]
    numbers = {category: category if dataset_name is None else number for number, category in enumerate(ids)}
    facts = {"category_ids": ids, "names": [category["name"] for category in categories]}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_index(path, columns.arrays(numbers), facts)
    _remove_stale(path)


def _good_columns(json_file: str, skip_invalid: bool) -> CocoColumns:
    """Read a file of which some record has a problem: tell the first one, or leave such records out."""
    content = read_json(json_file)
    images, annotations = good_parts(content, json_file, skip_invalid)
    columns = CocoColumns(content["categories"])
    for image in images.values():
        columns.add_image(image)
    for annotation in annotations:
        columns.add_annotation(annotation)
    return columns


def _category_id_problems(categories: list[dict[str, Any]], file: str) -> Iterator[Problem]:
    """Yield the category ids that an index cannot hold as numbers."""
    for category in categories:
        if not isinstance(category["id"], int) or abs(category["id"]) > np.iinfo(np.int32).max:
            message = "an index without a dataset's name needs ids that are numbers below 2**31"
            yield Problem(file, f"category {category['id']}", "id", message)


def _remove_stale(path: Path) -> None:
    """Remove indices of earlier contents of the same file."""
    stem = path.name.rsplit(".", 2)[0]
    for other in path.parent.glob(f"{stem}.*.index"):
        if other.name != path.name:
            other.unlink(missing_ok=True)


# Files from this size on are indexed: parsing them takes seconds, and their records hundreds of megabytes.
INDEX_FROM_BYTES = 32 << 20


def load_coco(json_file: str, image_root: str, dataset_name: str) -> Sequence[dict[str, Any]]:
    """Load a COCO file as a list of records, or as a list-like index where the file is large."""
    if os.path.isfile(json_file) and os.path.getsize(json_file) >= INDEX_FROM_BYTES:
        return open_coco_index(json_file, image_root, dataset_name)
    return load_coco_json(json_file, image_root, dataset_name)
