"""COCO's annotations as columns: what an index file holds, gathered without a Python object for each annotation."""

import json
from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np

from detectory.core.storage import local_path

from .json_pieces import JsonPieces
from .problems import (
    box_problem,
    category_problems,
    compressed,
    duplicate_problems,
    image_problems,
    is_id,
    keypoints_problem,
    segmentation_problems,
)
from .reader import numbers_first

NO_MASK, POLYGONS, RLE = 0, 1, 2
_LISTS = ("images", "annotations", "categories")
# Annotations whose values are put into the order of their images at once.
_CHUNK = 1 << 16


class CocoColumns:
    """The images and annotations of a file in growing arrays.

    Attributes:
        categories: The categories as the file has them.
    """

    def __init__(self, categories: Iterable[dict[str, Any]] = ()) -> None:
        self.categories = list(categories)
        self._rows: dict[Any, int] = {}
        self._names: list[str] = []
        self._sizes = array("q")  # height, width
        # Ids that annotations mention are numbered in the order in which they appear.
        self._images: dict[Any, int] = {}
        self._categories: dict[Any, int] = {}
        self._ids, self._image, self._category = array("q"), array("q"), array("q")
        self._boxes, self._crowds, self._kinds = array("d"), array("B"), array("B")
        self._parts, self._part_lengths, self._points = array("q"), array("q"), array("f")
        self._code_lengths, self._codes, self._code_sizes = array("q"), bytearray(), array("q")
        self._keypoint_lengths, self._keypoints = array("q"), array("f")

    def add_image(self, image: dict[str, Any]) -> None:
        """Add an image that has no problem."""
        self._rows[image["id"]] = len(self._names)
        self._names.append(image["file_name"])
        self._sizes.extend((image["height"], image["width"]))

    def add_annotation(self, annotation: dict[str, Any]) -> None:
        """Add an annotation whose own fields have no problem."""
        image, category = annotation["image_id"], annotation["category_id"]
        self._image.append(self._images.setdefault(image, len(self._images)))
        self._category.append(self._categories.setdefault(category, len(self._categories)))
        self._boxes.extend(annotation["bbox"])
        self._crowds.append(int(annotation.get("iscrowd", 0)))
        self._add_mask(annotation.get("segmentation"))
        points = annotation.get("keypoints", ())
        # The file counts pixels; the standard format is continuous.
        self._keypoints.extend([value if at % 3 == 2 else value + 0.5 for at, value in enumerate(points)])
        self._keypoint_lengths.append(len(points))

    def _add_mask(self, segmentation: Any) -> None:
        kind, parts, code, size = NO_MASK, 0, b"", (0, 0)
        if segmentation and isinstance(segmentation, dict):
            counts = compressed(segmentation)["counts"]
            kind, code, size = RLE, counts.encode() if isinstance(counts, str) else counts, segmentation["size"]
        elif segmentation:
            kind, parts = POLYGONS, len(segmentation)
            for polygon in segmentation:
                self._points.extend(polygon)
                self._part_lengths.append(len(polygon))
        self._kinds.append(kind)
        self._parts.append(parts)
        self._codes += code
        self._code_lengths.append(len(code))
        self._code_sizes.extend(size)

    def arrays(self, numbers: dict[Any, int]) -> dict[str, np.ndarray]:
        """Return the columns, images ordered by id and annotations by image.

        Args:
            numbers: What stands for each id of a category.
        """
        ids = sorted(self._rows, key=numbers_first)
        names = [self._names[self._rows[image]].encode() for image in ids]
        shown = [json.dumps(image).encode() for image in ids]
        places = {image: place for place, image in enumerate(ids)}
        place = np.array([places[image] for image in self._images], dtype=np.int64)[_values(self._image)]
        order = np.argsort(place, kind="stable")
        category = np.array([numbers[category] for category in self._categories], dtype=np.int32)
        points_of = np.diff(_ends(_values(self._part_lengths))[_ends(_values(self._parts))])
        return {
            "image_ids": np.frombuffer(b"".join(shown), dtype=np.uint8),
            "image_id_ends": _ends([len(text) for text in shown]),
            "image_size": _values(self._sizes).reshape(-1, 2)[[self._rows[image] for image in ids]].astype(np.int32),
            "image_annotations": _ends(np.bincount(place, minlength=len(ids))),
            "file_names": np.frombuffer(b"".join(names), dtype=np.uint8),
            "file_name_ends": _ends([len(name) for name in names]),
            "bbox": _values(self._boxes).reshape(-1, 4)[order],
            "category": category[_values(self._category)][order],
            "iscrowd": _values(self._crowds)[order],
            "mask_kind": _values(self._kinds)[order],
            "annotation_parts": _ends(_values(self._parts)[order]),
            "part_ends": _ends(_in_order(_values(self._part_lengths), _values(self._parts), order)),
            "points": _in_order(_values(self._points), points_of, order),
            "codes": _in_order(np.frombuffer(self._codes, np.uint8), _values(self._code_lengths), order),
            "code_ends": _ends(_values(self._code_lengths)[order]),
            "code_size": _values(self._code_sizes).reshape(-1, 2)[order].astype(np.int32),
            "keypoints": _in_order(_values(self._keypoints), _values(self._keypoint_lengths), order),
            "keypoint_ends": _ends(_values(self._keypoint_lengths)[order]),
        }

    def read(self, file: str) -> bool:
        """Read a whole file into empty columns, an annotation at a time.

        Returns:
            Whether the file has no problem. With one, or with ids so unusual that they must be looked at one by one,
            nothing is said of it, and the columns are worthless.
        """
        try:
            with open(local_path(file), encoding="utf-8-sig") as text:
                pieces, seen = JsonPieces(text), []
                for key in pieces.members():
                    seen.append(key)
                    if key in _LISTS:
                        self._read_list(key, pieces.elements())
                    else:
                        pieces.value()
            return sorted(key for key in seen if key in _LISTS) == sorted(_LISTS) and self._fit_together(file)
        except (_ProblemError, ValueError, TypeError, OverflowError, RecursionError):
            return False

    def _read_list(self, key: str, elements: Iterable[Any]) -> None:
        for element in elements:
            if not isinstance(element, dict):
                raise _ProblemError
            if key == "annotations":
                self._read_annotation(element)
            elif not is_id(element.get("id")):
                raise _ProblemError
            elif key == "categories":
                self.categories.append(element)
            elif element["id"] in self._rows or any(image_problems(element, "")):
                raise _ProblemError
            else:
                self.add_image(element)

    def _read_annotation(self, annotation: dict[str, Any]) -> None:
        if "id" in annotation:
            if type(annotation["id"]) is not int:
                raise _ProblemError
            self._ids.append(annotation["id"])
        segmentation = annotation.get("segmentation")
        is_wrong = (
            not (is_id(annotation.get("image_id")) and is_id(annotation.get("category_id")))
            or annotation.get("iscrowd", 0) not in (0, 1)
            or box_problem(annotation.get("bbox"))
            or (segmentation and any(segmentation_problems(segmentation, None)))
            or ("keypoints" in annotation and keypoints_problem(annotation["keypoints"]))
        )
        if is_wrong:
            raise _ProblemError
        self.add_annotation(annotation)

    def _fit_together(self, file: str) -> bool:
        """Check annotations against other records: unknown ids, duplicate ids, boxes outside their image."""
        known = {category["id"] for category in self.categories}
        ids = _values(self._ids)
        if any(duplicate_problems(self.categories, file, "")) or any(
            problem for category in self.categories for problem in category_problems(category, file)
        ):
            return False
        if not (self._images.keys() <= self._rows.keys() and self._categories.keys() <= known):
            return False
        if len(np.unique(ids)) != len(ids):
            return False
        rows = np.array([self._rows[image] for image in self._images], dtype=np.int64)[_values(self._image)]
        sizes = _values(self._sizes).reshape(-1, 2)[rows]
        x, y, width, height = _values(self._boxes).reshape(-1, 4).T
        outside = (x > sizes[:, 1]) | (y > sizes[:, 0]) | (x + width < 0) | (y + height < 0)
        has_code = _values(self._kinds) == RLE
        return not outside.any() and np.array_equal(_values(self._code_sizes).reshape(-1, 2)[has_code], sizes[has_code])


class _ProblemError(Exception):
    """There is a problem; whoever wants to know which one reads the file record by record."""


def _values(data: array) -> np.ndarray:
    return np.frombuffer(data, dtype=data.typecode)


def _ends(lengths: Any) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.asarray(lengths, dtype=np.int64))]).astype(np.int64)


def _in_order(values: np.ndarray, lengths: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Put runs of values, of which the given lengths follow each other, into another order."""
    ends, result, at = _ends(lengths), np.empty_like(values), 0
    for first in range(0, len(order), _CHUNK):
        chosen = order[first : first + _CHUNK]
        counts = lengths[chosen]
        places = np.repeat(ends[chosen] - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        result[at : at + len(places)] = values[places]
        at += len(places)
    return result
