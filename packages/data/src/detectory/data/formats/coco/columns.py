"""Columnar storage of COCO annotations: the arrays of an index file, built while streaming the JSON file.

Layout. Images are sorted by id, annotations by image, so that the annotations of an image are consecutive rows. Values
of variable length (polygons, RLEs, keypoints, names) are concatenated into one flat array per column, accompanied by an
array of end offsets with a leading 0: row `i` is `flat[ends[i]:ends[i + 1]]`. This is the layout of variable-length
columns in Apache Arrow. Polygons need two levels: annotation -> parts (`annotation_parts`) -> points (`part_ends`).

While reading, values are appended in the order of the file, to typed buffers instead of Python objects: a coordinate
takes 4 bytes here and 32 bytes in a list of floats. Sorting happens once, in `arrays`.
"""

import json
import math
from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np

from detectory.core.storage import local_path
from detectory.data.formats.file_names import portable_name
from detectory.structures import BoxMode

from .categories import id_order
from .geometry import box_problem, keypoints_problem, segmentation_problems, stored_box
from .json_pieces import JsonPieces
from .problems import category_problems, duplicate_problems, image_problems, is_id
from .reader import continuous_keypoints
from .rle import compress_rle

# Values of the column `mask_type`.
NO_MASK, POLYGONS, RLE = 0, 1, 2

_LISTS = ("images", "annotations", "categories")
# Rows that `_reordered` gathers at once. Bounds the size of its temporary index array, which has 8 bytes per value.
_ROWS_PER_CHUNK = 1 << 16


class CocoColumns:
    """The images and annotations of a COCO file in growing typed arrays.

    Attributes:
        categories: The categories as stored in the file.
    """

    def __init__(self, categories: Iterable[dict[str, Any]] = ()) -> None:
        self.categories = list(categories)
        # Images: row by id, and one entry per row.
        self._image_rows: dict[Any, int] = {}
        self._file_names: list[str] = []
        self._image_sizes = array("q")  # height, width
        # Ids that annotations refer to are numbered in order of appearance: the referenced image or category may come
        # later in the file, and ids may be strings.
        self._image_numbers: dict[Any, int] = {}
        self._category_numbers: dict[Any, int] = {}
        # Annotations: one entry per row.
        self._annotation_ids = array("q")
        self._image = array("q")
        self._category = array("q")
        self._boxes = array("d")
        self._angles = array("d")  # NaN for upright boxes
        self._difficult = array("B")
        self._iscrowd = array("B")
        self._mask_types = array("B")
        # Polygons: parts per annotation, coordinates per part, coordinates.
        self._part_counts = array("q")
        self._part_lengths = array("q")
        self._points = array("f")
        # RLEs: bytes per annotation, bytes, height and width.
        self._rle_lengths = array("q")
        self._rle_bytes = bytearray()
        self._rle_sizes = array("q")
        # Keypoints: values per annotation, values.
        self._keypoint_lengths = array("q")
        self._keypoints = array("f")

    def add_image(self, image: dict[str, Any]) -> None:
        """Add a valid image."""
        self._image_rows[image["id"]] = len(self._file_names)
        self._file_names.append(portable_name(image["file_name"]))
        self._image_sizes.extend((image["height"], image["width"]))

    def add_annotation(self, annotation: dict[str, Any]) -> None:
        """Add an annotation with valid fields; the image and the category may be unknown yet."""
        image, category = annotation["image_id"], annotation["category_id"]
        self._image.append(self._image_numbers.setdefault(image, len(self._image_numbers)))
        self._category.append(self._category_numbers.setdefault(category, len(self._category_numbers)))
        box, mode = stored_box(annotation)
        self._boxes.extend(box[:4])
        self._angles.append(box[4] if mode == BoxMode.XYWHA_ABS else math.nan)
        self._difficult.append(bool(annotation.get("difficult")))
        self._iscrowd.append(int(annotation.get("iscrowd", 0)))
        self._add_mask(annotation.get("segmentation"))
        keypoints = annotation.get("keypoints", ())
        self._keypoints.extend(continuous_keypoints(keypoints))
        self._keypoint_lengths.append(len(keypoints))

    def _add_mask(self, segmentation: Any) -> None:
        mask_type, part_count, rle, size = NO_MASK, 0, b"", (0, 0)
        if segmentation and isinstance(segmentation, dict):
            mask_type, size = RLE, segmentation["size"]
            counts = compress_rle(segmentation)["counts"]
            rle = counts.encode() if isinstance(counts, str) else counts
        elif segmentation:
            mask_type, part_count = POLYGONS, len(segmentation)
            for polygon in segmentation:
                self._points.extend(polygon)
                self._part_lengths.append(len(polygon))
        self._mask_types.append(mask_type)
        self._part_counts.append(part_count)
        self._rle_bytes += rle
        self._rle_lengths.append(len(rle))
        self._rle_sizes.extend(size)

    def arrays(self, category_ids: dict[Any, int]) -> dict[str, np.ndarray]:
        """Return the columns, with images sorted by id and annotations sorted by image.

        Args:
            category_ids: The id to store for each category id of the file.
        """
        image_ids = sorted(self._image_rows, key=id_order)
        image_rows = [self._image_rows[image] for image in image_ids]
        names = [self._file_names[row].encode() for row in image_rows]
        encoded_ids = [json.dumps(image).encode() for image in image_ids]  # JSON keeps integers and strings apart
        # Sorted position of the image of each annotation; the stable sort keeps the order of the file within an image.
        position_of = {image: position for position, image in enumerate(image_ids)}
        positions = np.array([position_of[image] for image in self._image_numbers], dtype=np.int64)
        image_of_row = positions[_values(self._image)]
        order = np.argsort(image_of_row, kind="stable")
        categories = np.array([category_ids[category] for category in self._category_numbers], dtype=np.int32)
        part_counts, part_lengths = _values(self._part_counts), _values(self._part_lengths)
        # Coordinates per annotation: differences of the coordinate offsets at the boundaries of annotations.
        point_counts = np.diff(_ends(part_lengths)[_ends(part_counts)])
        rle_lengths, keypoint_lengths = _values(self._rle_lengths), _values(self._keypoint_lengths)
        return {
            "image_ids": np.frombuffer(b"".join(encoded_ids), dtype=np.uint8),
            "image_id_ends": _ends([len(text) for text in encoded_ids]),
            "image_size": _values(self._image_sizes).reshape(-1, 2)[image_rows].astype(np.int32),
            "image_annotations": _ends(np.bincount(image_of_row, minlength=len(image_ids))),
            "file_names": np.frombuffer(b"".join(names), dtype=np.uint8),
            "file_name_ends": _ends([len(name) for name in names]),
            "bbox": _values(self._boxes).reshape(-1, 4)[order],
            "angle": _values(self._angles)[order],
            "difficult": _values(self._difficult)[order],
            "category": categories[_values(self._category)][order],
            "iscrowd": _values(self._iscrowd)[order],
            "mask_type": _values(self._mask_types)[order],
            "annotation_parts": _ends(part_counts[order]),
            "part_ends": _ends(_reordered(part_lengths, part_counts, order)),
            "points": _reordered(_values(self._points), point_counts, order),
            "rle_bytes": _reordered(np.frombuffer(self._rle_bytes, np.uint8), rle_lengths, order),
            "rle_ends": _ends(rle_lengths[order]),
            "rle_size": _values(self._rle_sizes).reshape(-1, 2)[order].astype(np.int32),
            "keypoints": _reordered(_values(self._keypoints), keypoint_lengths, order),
            "keypoint_ends": _ends(keypoint_lengths[order]),
        }

    def read(self, file: str) -> bool:
        """Read a whole file into empty columns, one annotation at a time.

        Only valid files are supported, so that memory stays bounded and the common case is fast. On `False` the columns
        are incomplete: parse the file with `read_json` and check the records one by one to find the problem.

        Returns:
            Whether the file is valid and was read. `False` also for rare but valid files, for example with annotation
            ids that are not integers.
        """
        try:
            with open(local_path(file), encoding="utf-8-sig") as text:
                pieces, keys = JsonPieces(text), []
                for key in pieces.members():
                    if key in _LISTS:
                        keys.append(key)
                        self._read_list(key, pieces.elements())
                    else:
                        pieces.value()
            return sorted(keys) == sorted(_LISTS) and self._references_are_valid(file)
        except (_InvalidRecord, ValueError, TypeError, OverflowError, RecursionError):
            return False

    def _read_list(self, key: str, elements: Iterable[Any]) -> None:
        for element in elements:
            if not isinstance(element, dict):
                raise _InvalidRecord
            if key == "annotations":
                self._read_annotation(element)
            elif not is_id(element.get("id")):
                raise _InvalidRecord
            elif key == "categories":
                self.categories.append(element)
            elif element["id"] in self._image_rows or any(image_problems(element, "")):
                raise _InvalidRecord
            else:
                self.add_image(element)

    def _read_annotation(self, annotation: dict[str, Any]) -> None:
        if "id" in annotation:
            if type(annotation["id"]) is not int:
                raise _InvalidRecord
            self._annotation_ids.append(annotation["id"])
        segmentation = annotation.get("segmentation")
        is_invalid = (
            not (is_id(annotation.get("image_id")) and is_id(annotation.get("category_id")))
            or annotation.get("iscrowd", 0) not in (0, 1)
            or box_problem(annotation.get("bbox"))
            or (segmentation and any(segmentation_problems(segmentation, None)))
            or ("keypoints" in annotation and keypoints_problem(annotation["keypoints"]))
        )
        if is_invalid:
            raise _InvalidRecord
        self.add_annotation(annotation)

    def _references_are_valid(self, file: str) -> bool:
        """Check what needs several records: ids that exist, unique ids, boxes inside images, sizes of RLEs."""
        if any(duplicate_problems(self.categories, file, "category")) or any(
            problem for category in self.categories for problem in category_problems(category, file)
        ):
            return False
        known_categories = {category["id"] for category in self.categories}
        if not self._image_numbers.keys() <= self._image_rows.keys():
            return False
        if not self._category_numbers.keys() <= known_categories:
            return False
        annotation_ids = _values(self._annotation_ids)
        if len(np.unique(annotation_ids)) != len(annotation_ids):
            return False
        rows = np.array([self._image_rows[image] for image in self._image_numbers], dtype=np.int64)
        sizes = _values(self._image_sizes).reshape(-1, 2)[rows[_values(self._image)]]
        x, y, width, height = _upright(_values(self._boxes).reshape(-1, 4), _values(self._angles)).T
        is_outside = (x > sizes[:, 1]) | (y > sizes[:, 0]) | (x + width < 0) | (y + height < 0)
        is_rle = _values(self._mask_types) == RLE
        rle_sizes = _values(self._rle_sizes).reshape(-1, 2)
        return not is_outside.any() and np.array_equal(rle_sizes[is_rle], sizes[is_rle])


class _InvalidRecord(Exception):
    """A record is invalid, or not supported by the fast reader."""


def _upright(boxes: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Return boxes `(N, 4)`, with rotated boxes replaced by the boxes around them; see `upright_box`."""
    is_rotated = ~np.isnan(angles)
    if not is_rotated.any():
        return boxes
    upright = boxes.copy()
    cos, sin = np.abs(np.cos(np.radians(angles[is_rotated]))), np.abs(np.sin(np.radians(angles[is_rotated])))
    cx, cy, width, height = boxes[is_rotated].T
    outer_width, outer_height = width * cos + height * sin, width * sin + height * cos
    upright[is_rotated] = np.stack([cx - outer_width / 2, cy - outer_height / 2, outer_width, outer_height], axis=1)
    return upright


def _values(buffer: array) -> np.ndarray:
    return np.frombuffer(buffer, dtype=buffer.typecode)


def _ends(lengths: Any) -> np.ndarray:
    """Return the end offsets of consecutive runs, with a leading 0."""
    return np.concatenate([[0], np.cumsum(np.asarray(lengths, dtype=np.int64))]).astype(np.int64)


def _reordered(values: np.ndarray, lengths: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Permute consecutive runs of values.

    Args:
        values: The runs, concatenated.
        lengths: The length of each run.
        order: The permutation: run `order[i]` becomes run `i`.
    """
    ends, result, filled = _ends(lengths), np.empty_like(values), 0
    for first in range(0, len(order), _ROWS_PER_CHUNK):
        runs = order[first : first + _ROWS_PER_CHUNK]
        counts = lengths[runs]
        # Source index of every value: the start of its run plus the position within the run. The position is a global
        # `arange` minus the offset of the run in the output, so both offsets are repeated once per value.
        indices = np.repeat(ends[runs] - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        result[filled : filled + len(indices)] = values[indices]
        filled += len(indices)
    return result
