"""Memory-mapped index of a COCO file: opens without parsing, and all processes share its memory."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from detectory.data.formats.json_file import read_json
from detectory.data.problems import Problem, raise_first
from detectory.structures import BoxMode
from detectory.structures.records import Annotation, DatasetRecord

from .categories import id_order, keypoint_metadata
from .columns import NO_MASK, POLYGONS, RLE, CocoColumns
from .index_file import MappedIndex, index_path, write_index
from .reader import valid_parts

# Records created between two calls of `MappedIndex.release`. Each record touches about a dozen places in the file, and
# the kernel maps 64 KiB around each of them: about 12 MiB in 16 records.
_RECORDS_PER_RELEASE = 16


class CocoIndex(Sequence):
    """The records of a COCO file as a sequence that creates each record on access.

    Records equal those of `read_coco` except for rounding: polygons and keypoints are stored as float32. Records are
    new objects, so changing them does not change the index. Pickling stores only the path of the mapped file.

    Args:
        index: The mapped arrays; see `CocoColumns.arrays`.
        image_root: The folder of the images.
        rows: The indices of the records in this sequence; all records by default.
        categories: The category id in records for each stored category id; the stored ones by default.
    """

    def __init__(
        self,
        index: MappedIndex,
        image_root: str,
        rows: np.ndarray | None = None,
        categories: Sequence[int] | None = None,
    ) -> None:
        self._index, self._root, self._categories = index, image_root, categories
        self._rows = np.arange(len(index.arrays["image_size"])) if rows is None else rows
        self._created = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, item: Any) -> Any:
        """Return a record, or for a slice or a list of indices a `CocoIndex` of these records."""
        if isinstance(item, (slice, list, np.ndarray)):
            return CocoIndex(self._index, self._root, self._rows[item], self._categories)
        return self._record(int(self._rows[item]))

    def _record(self, row: int) -> DatasetRecord:
        arrays = self._index.arrays
        name = _run(arrays["file_names"], arrays["file_name_ends"], row).decode()
        first, last = arrays["image_annotations"][row : row + 2].tolist()
        height, width = arrays["image_size"][row].tolist()
        annotations = [self._annotation(annotation) for annotation in range(first, last)]
        self._created += 1
        if self._created % _RECORDS_PER_RELEASE == 0:
            self._index.release()
        return {
            "file_name": os.path.join(self._root, name),
            "height": height,
            "width": width,
            "image_id": json.loads(_run(arrays["image_ids"], arrays["image_id_ends"], row)),
            "annotations": annotations,
        }

    def _annotation(self, row: int) -> Annotation:
        arrays = self._index.arrays
        category = arrays["category"][row]
        annotation: Annotation = {
            "iscrowd": int(arrays["iscrowd"][row]),
            "bbox": arrays["bbox"][row].tolist(),
            "category_id": int(category if self._categories is None else self._categories[category]),
            "bbox_mode": BoxMode.XYWH_ABS,
        }
        angle = float(arrays["angle"][row])
        if angle == angle:  # not NaN
            annotation["bbox"] = [*annotation["bbox"], angle]
            annotation["bbox_mode"] = BoxMode.XYWHA_ABS
        if arrays["difficult"][row]:
            annotation["difficult"] = 1  # type: ignore[typeddict-unknown-key]
        mask_type = arrays["mask_type"][row]
        if mask_type == POLYGONS:
            first, last = arrays["annotation_parts"][row : row + 2].tolist()
            ends = arrays["part_ends"][first : last + 1].tolist()
            annotation["segmentation"] = [arrays["points"][start:end].tolist() for start, end in pairwise(ends)]
        elif mask_type == RLE:
            counts = _run(arrays["rle_bytes"], arrays["rle_ends"], row)
            annotation["segmentation"] = {"size": arrays["rle_size"][row].tolist(), "counts": counts}
        first, last = arrays["keypoint_ends"][row : row + 2].tolist()
        if last > first:
            annotation["keypoints"] = arrays["keypoints"][first:last].tolist()
        return annotation

    @property
    def metadata(self) -> dict[str, Any]:
        """The classes: `thing_classes` and `thing_dataset_id_to_contiguous_id`, as from `read_coco`."""
        facts = self._index.facts
        return {
            "thing_classes": list(facts["names"]),
            "thing_dataset_id_to_contiguous_id": {
                category: index for index, category in enumerate(facts["category_ids"])
            },
            **facts.get("keypoints", {}),
        }

    @property
    def path(self) -> str:
        """The index file."""
        return self._index.path

    def without_empty(self) -> "CocoIndex":
        """Return the images with at least one annotation that is not a crowd region. No records are created."""
        arrays = self._index.arrays
        # Annotations of an image are consecutive, so their number is a difference of two prefix sums.
        counts_before = np.concatenate([[0], np.cumsum(arrays["iscrowd"] == 0)])
        ends = arrays["image_annotations"]
        counts = counts_before[ends[1:]] - counts_before[ends[:-1]]
        return CocoIndex(self._index, self._root, self._rows[counts[self._rows] > 0], self._categories)

    @property
    def num_annotations(self) -> int:
        """The number of annotations of the selected images. No records are created."""
        return int(np.diff(self._index.arrays["image_annotations"])[self._rows].sum())

    def with_categories(self, categories: Sequence[int]) -> "CocoIndex":
        """Return the same records with `categories[i]` in place of the stored category id `i`."""
        return CocoIndex(self._index, self._root, self._rows, categories)

    def category_counts(self, crowds: bool = False) -> dict[int, int]:
        """Return the number of instances per category. No records are created.

        Args:
            crowds: Whether to count crowd regions.
        """
        stored = np.bincount(self._index.arrays["category"][self._selected(crowds)]).tolist()
        if self._categories is None:
            return dict(enumerate(stored))
        return {self._categories[number]: count for number, count in enumerate(stored) if count}

    def contents(self) -> tuple[Counter[str], Counter[int]]:
        """Count the objects by type of mask and by number of keypoints, without crowd regions.

        Returns:
            Numbers of objects by `"none"`, `"polygons"` and `"rle"`, and by number of keypoints.
        """
        arrays, selected = self._index.arrays, self._selected(crowds=False)
        types = np.bincount(arrays["mask_type"][selected], minlength=3).tolist()
        lengths, counts = np.unique(np.diff(arrays["keypoint_ends"])[selected] // 3, return_counts=True)
        return (
            Counter({"none": types[NO_MASK], "polygons": types[POLYGONS], "rle": types[RLE]}),
            Counter(dict(zip(lengths.tolist(), counts.tolist(), strict=True))),
        )

    def _selected(self, crowds: bool) -> np.ndarray:
        """Whether each stored annotation belongs to a record of this sequence."""
        arrays = self._index.arrays
        is_selected = np.zeros(len(arrays["image_size"]), dtype=bool)
        is_selected[self._rows] = True
        selected = np.repeat(is_selected, np.diff(arrays["image_annotations"]))
        return selected if crowds else selected & (arrays["iscrowd"] == 0)


def _run(flat: np.ndarray, ends: np.ndarray, row: int) -> bytes:
    """Return one run of a variable-length column of bytes."""
    return flat[int(ends[row]) : int(ends[row + 1])].tobytes()


def open_coco_index(
    json_file: str | os.PathLike[str],
    image_root: str | os.PathLike[str],
    *,
    contiguous_ids: bool = True,
    skip_invalid: bool = False,
) -> CocoIndex:
    """Open a file in COCO's instances or keypoints format through a cached index.

    The first call reads and validates the whole file, as `read_coco` does, and writes the index next to the file (or to
    the cache if the folder is not writable). Later calls map the index. A changed file gets a new index. If several
    processes build the index at the same time, each of them writes the same content atomically.

    Args:
        json_file: The annotation file.
        image_root: The folder of the images.
        contiguous_ids: Whether to map category ids to 0..K-1. Otherwise the category ids in the file must be integers.
        skip_invalid: Whether to skip invalid images and annotations with a warning, instead of raising an error.

    Returns:
        A sequence of records.

    Raises:
        FileNotFoundError: If the file does not exist.
        DatasetError: If the file or a record is invalid.
    """
    variant = f"coco{'-skip' if skip_invalid else ''}{'-contiguous' if contiguous_ids else ''}"
    path, file = index_path(json_file, variant), os.fspath(json_file)
    if not path.exists():
        _build(path, file, contiguous_ids, skip_invalid)
    try:
        index = MappedIndex(path)
    except (ValueError, FileNotFoundError):
        # Damaged, or removed by a process that saw a newer annotation file.
        _build(path, file, contiguous_ids, skip_invalid)
        index = MappedIndex(path)
    return CocoIndex(index, os.fspath(image_root))


def _build(path: Path, json_file: str, contiguous_ids: bool, skip_invalid: bool) -> None:
    """Read a COCO file and write its index."""
    columns = CocoColumns()
    if not columns.read(json_file):
        columns = _checked_columns(json_file, skip_invalid)
    categories = sorted(columns.categories, key=lambda category: id_order(category["id"]))
    if not contiguous_ids:
        raise_first(_category_id_problems(categories, json_file))
    ids = [category["id"] for category in categories]
    stored_ids = {category: index if contiguous_ids else category for index, category in enumerate(ids)}
    facts = {
        "category_ids": ids,
        "names": [category["name"] for category in categories],
        "keypoints": keypoint_metadata(categories),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_index(path, columns.arrays(stored_ids), facts)
    _remove_stale(path)


def _checked_columns(json_file: str, skip_invalid: bool) -> CocoColumns:
    """Read a file that the fast reader rejected: raise an error for the first invalid record, or skip such records."""
    content = read_json(json_file)
    images, annotations = valid_parts(content, json_file, skip_invalid)
    columns = CocoColumns(content["categories"])
    for image in images.values():
        columns.add_image(image)
    for annotation in annotations:
        columns.add_annotation(annotation)
    return columns


def _category_id_problems(categories: list[dict[str, Any]], file: str) -> Iterator[Problem]:
    """Yield the category ids that do not fit into the int32 column of an index."""
    for category in categories:
        if not isinstance(category["id"], int) or abs(category["id"]) > np.iinfo(np.int32).max:
            message = "must be an integer below 2**31 to be stored in an index without contiguous ids"
            yield Problem(file, f"category {category['id']}", "id", message)


def _remove_stale(path: Path) -> None:
    """Remove the indices of earlier versions of the same file."""
    stem = path.name.rsplit(".", 2)[0]
    for other in path.parent.glob(f"{stem}.*.index"):
        if other.name != path.name:
            other.unlink(missing_ok=True)
