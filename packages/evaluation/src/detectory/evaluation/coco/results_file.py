"""Reader of COCO results that checks every entry against the ground truth."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import hotcoco
import numpy as np

from detectory.core.storage import read_json
from detectory.core.text import short_repr
from detectory.data.formats.coco.problems import is_id
from detectory.evaluation.detections import Detections
from detectory.evaluation.run_lengths import InvalidMaskError, RunLengths

from .ground_truth import CocoGroundTruth
from .results_text import ResultsText

RESULT_FIELDS = {"bbox": "bbox", "segm": "segmentation", "keypoints": "keypoints"}
"""Task to the field of a results entry that it measures."""


def load_results(
    results: str | os.PathLike | Sequence[Mapping[str, Any]],
    ground_truth: CocoGroundTruth,
    iou_type: str,
    name: str | None = None,
) -> Detections:
    """Read COCO results and check every entry against the ground truth.

    Args:
        results: Path of a JSON file, or its list of dicts with `image_id`, `category_id`, `score` and, depending on
            the task, `bbox` (x, y, width, height), `segmentation` (RLE) or `keypoints`.
        ground_truth: The dataset that the results were predicted on.
        iou_type: "bbox", "segm" or "keypoints".
        name: Name of the results in error messages. None: the path, or "results".

    Returns:
        The detections, in the order of the file.

    Raises:
        ValueError: If an entry is invalid. The message names the file, the index of the first invalid entry and its
            field: an unknown image or category id, a score that is not finite, a box that is not four finite numbers
            or has a negative size, a mask that is not an RLE of its image's size, or keypoints that are not triples
            of finite numbers.
    """
    entries: Any = results
    if isinstance(results, (str, os.PathLike)):
        name, entries = name or os.fspath(results), read_json(results)
    fields = _Fields(name or "results", entries)
    image_ids = fields.get("image_id")
    categories = fields.get("category_id")
    sizes, names = ground_truth.image_sizes, ground_truth.category_names
    fields.require("image_id", image_ids, lambda i: is_id(i) and i in sizes, "is not an image of the annotations")
    fields.require("category_id", categories, lambda c: is_id(c) and c in names, "is not a category of the annotations")
    scores = fields.get("score")
    fields.require("score", scores, _is_finite, "is not a finite number")
    detections = Detections(
        np.array(image_ids, dtype=np.int64 if ground_truth.integer_ids is None else object),
        np.array(categories, dtype=np.int64),
        np.array(scores, dtype=np.float64),
    )
    values = fields.get(RESULT_FIELDS[iou_type])
    if iou_type == "bbox":
        detections.boxes = _boxes(fields, values)
    elif iou_type == "segm":
        detections.masks = _masks(fields, values, [list(sizes[i]) for i in image_ids])
    else:
        detections.keypoints = _keypoints(fields, values)
    return detections


def load_box_results(path: Path, ground_truth: CocoGroundTruth) -> hotcoco.COCO | None:
    """Fast path for a results file of boxes: parse it with hotcoco and check only what hotcoco does not.

    hotcoco parses the file an order of magnitude faster than Python, but accepts nulls, boxes of negative size and
    entries without a box or score. `ResultsText` rules these out on the bytes of the file. Every check may report a
    problem where there is none, never the reverse: the caller then reads the file with `load_results`, which is exact
    and names the invalid entry.

    Args:
        path: A JSON file of results.
        ground_truth: The dataset that the results were predicted on.

    Returns:
        The results as a hotcoco object, or None if the file needs the exact reader.
    """
    if ground_truth.integer_ids is not None:
        return None
    text = ResultsText(path)
    if not text.is_list or text.may_have_null() or text.may_have_negative_size():
        return None
    try:
        index = ground_truth.index.load_res(str(path))
    except ValueError:
        return None
    if index.load_warnings:  # unknown images or categories
        return None
    # Entries are flat objects, so the number of braces is the number of entries, unless a value has a nested object;
    # only then ask hotcoco for the number, which is slower.
    boxes = text.count_key(b'"bbox"', rarest=b"x")
    if text.count(b"{") != boxes and len(index.get_ann_ids()) != boxes:
        return None
    return index if text.count_key(b'"score"', rarest=b"s") == boxes else None


class _Fields:
    """The fields of a list of results entries, with errors that name the entry.

    Args:
        name: Name of the results in error messages.
        entries: The list.
    """

    def __init__(self, name: str, entries: Any) -> None:
        if not isinstance(entries, Sequence):
            raise ValueError(f"load_results: {name} must be a list of detections, got {type(entries).__name__}")
        self.name = name
        self.entries = entries

    def get(self, field: str) -> list[Any]:
        """Return the values of one field."""
        try:
            return [entry[field] for entry in self.entries]
        except (KeyError, TypeError):
            for index, entry in enumerate(self.entries):
                if not isinstance(entry, Mapping):
                    self.fail(index, field, "is missing: the entry is not an object")
                if field not in entry:
                    self.fail(index, field, "is missing")
            raise

    def require(self, field: str, values: Sequence[Any], is_valid: Callable[[Any], bool], problem: str) -> None:
        """Raise an error for the first invalid value."""
        for index, value in enumerate(values):
            if not is_valid(value):
                self.fail(index, field, f"{problem}: {short_repr(value)}")

    def fail(self, index: int, field: str, problem: str) -> NoReturn:
        raise ValueError(f"load_results: {self.name}: entry {index}: {field} {problem}")


def _boxes(fields: _Fields, values: Sequence[Any]) -> np.ndarray:
    # One vectorised check for valid files; the entry-by-entry check runs only to find the invalid one.
    try:
        boxes = np.array(values, dtype=np.float64).reshape(len(values), -1)
    except (ValueError, TypeError):
        boxes = np.zeros((0, 0))
    has_shape = boxes.shape == (len(values), 4)
    if len(values) and not (has_shape and np.isfinite(boxes).all() and (boxes[:, 2:] >= 0).all()):
        fields.require("bbox", values, _is_box, "is not x, y, width, height of finite numbers")
    return boxes.reshape(-1, 4)


def _masks(fields: _Fields, values: Sequence[Any], sizes: Sequence[list[int]]) -> RunLengths:
    for index, (mask, expected) in enumerate(zip(values, sizes, strict=True)):
        if not isinstance(mask, Mapping) or not isinstance(mask.get("counts"), (str, bytes)):
            fields.fail(index, "segmentation", f"is not an RLE with compressed counts: {short_repr(mask)}")
        size = mask.get("size")
        if not isinstance(size, Sequence) or list(size) != expected:
            fields.fail(index, "segmentation", f"has size {size!r:.80}, but the image has {expected}")
    masks = RunLengths.from_rles(values)
    try:
        masks.check()
    except InvalidMaskError as error:
        fields.fail(error.index, "segmentation", error.problem)
    return masks


def _keypoints(fields: _Fields, values: Sequence[Any]) -> np.ndarray:
    def is_valid(points: Any) -> bool:
        return isinstance(points, Sequence) and len(points) % 3 == 0 and all(map(_is_finite, points))

    fields.require("keypoints", values, is_valid, "are not finite x, y, v triples")
    first = len(values[0]) if values else 0
    fields.require("keypoints", values, lambda p: len(p) == first, f"are not {first} numbers as in entry 0")
    return np.array(values, dtype=np.float64).reshape(len(values), first // 3, 3)


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_box(value: Any) -> bool:
    return isinstance(value, Sequence) and len(value) == 4 and all(map(_is_finite, value)) and min(value[2:]) >= 0
