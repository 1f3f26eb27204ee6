"""COCO results files: read, and refused with the entry's index where they are wrong."""

import math
import mmap
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import hotcoco
import numpy as np

from detectory.core.storage import read_json
from detectory.core.text import short_repr
from detectory.data.formats.coco.problems import is_id
from detectory.evaluation.detections import Detections
from detectory.evaluation.run_lengths import MaskFault, RunLengths

from .ground_truth import CocoGroundTruth

_REACHES = (2, 24, 96)  # How many characters before a minus are looked at; two numbers of a box have fewer.
_PIECE = 1 << 18
_IS_MARK = np.isin(np.arange(256), list(b"[]{}:"))
FIELD_OF = {"bbox": "bbox", "segm": "segmentation", "keypoints": "keypoints"}


def load_results(
    results: str | os.PathLike | Sequence[Mapping[str, Any]],
    truth: CocoGroundTruth,
    iou_type: str,
    name: str | None = None,
) -> Detections:
    """Read results in COCO's format and check every entry against the ground truth.

    Args:
        results: The path of a JSON file, or its list of dicts, with `image_id`, `category_id`, `score` and `bbox`
            (x, y, width, height), `segmentation` (RLE) or `keypoints`, as the task needs.
        truth: Whose images and categories the results speak of.
        iou_type: "bbox", "segm" or "keypoints".
        name: What errors call the results; None: the path, or "results".

    Returns:
        The detections, in the order of the file.

    Raises:
        ValueError: naming the file, the first wrong entry's index and its field: an unknown image id or category, a
            score that is no finite number, a box that is not four finite numbers of which the last two are not
            negative, a mask that is no RLE of its image's size, keypoints that are not threes of finite numbers.
    """
    entries: Any = results
    if isinstance(results, (str, os.PathLike)):
        name, entries = name or os.fspath(results), read_json(results)
    columns = _Columns(name or "results", entries)
    image_ids = columns.get("image_id")
    categories = columns.get("category_id")
    known_images, known_categories = truth.image_sizes, truth.category_names
    columns.refuse_first(
        "image_id", image_ids, lambda i: is_id(i) and i in known_images, "is no image of the annotations"
    )
    columns.refuse_first(
        "category_id", categories, lambda c: is_id(c) and c in known_categories, "is no category of the annotations"
    )
    scores = columns.get("score")
    columns.refuse_first("score", scores, _is_finite, "is no finite number")
    found = Detections(
        np.array(image_ids, dtype=np.int64 if truth.numbers is None else object),
        np.array(categories, dtype=np.int64),
        np.array(scores, dtype=np.float64),
    )
    values = columns.get(FIELD_OF[iou_type])
    if iou_type == "bbox":
        found.boxes = _boxes(columns, values)
    elif iou_type == "segm":
        sizes = [list(known_images[i]) for i in image_ids]
        found.masks = _masks(columns, values, sizes)
    else:
        found.keypoints = _keypoints(columns, values)
    return found


def load_box_index(path: Path, truth: CocoGroundTruth) -> hotcoco.COCO | None:
    """Let the engine read a file of boxes, which is fast, and check what it does not.

    Args:
        path: A JSON file of results.
        truth: Whose images and categories the results speak of.

    Returns:
        The engine's view of the file, or None where anything is suspicious: then `load_results` must look at it.
    """
    if truth.numbers is not None:
        return None
    with path.open("rb") as file:
        if not file.read(64).lstrip().startswith(b"["):
            return None
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    characters = np.frombuffer(data, dtype=np.uint8)
    # The engine takes boxes of negative size and nulls.
    if _may_have_negative_size(data, characters) or (data.find(b"n") >= 0 and data.find(b"null") >= 0):
        return None
    try:
        index = truth.index.load_res(str(path))
    except ValueError:
        return None
    # Unknown images and categories are warned of; a field that is missing is not. Flat entries have a brace each.
    entries, with_box = _count_letter(characters, b"{"), _count(characters, b'"bbox"', b"x")
    if index.load_warnings or (entries != with_box and len(index.get_ann_ids()) != with_box):
        return None
    return index if with_box == _count(characters, b'"score"', b"s") else None


def _may_have_negative_size(data: mmap.mmap, characters: np.ndarray) -> bool:
    """Whether a minus in the text of a results file may be of a box's width or height.

    Minus signs of exponents, of single values and of the first two numbers of a list are of no such box.
    """
    if data.find(b"-") < 0:
        return False
    places = _places(characters, b"-")
    before = characters[places - 1]
    places = places[(before != ord("e")) & (before != ord("E"))]
    for reach in _REACHES:
        # The nearest bracket or colon on the left tells what a number belongs to.
        windows = characters[np.maximum(places[:, None] - np.arange(1, reach + 1), 0)]  # (M, reach)
        is_mark = _IS_MARK[windows]
        distance = np.argmax(is_mark, axis=1)[:, None]
        marks = np.take_along_axis(windows, distance, axis=1)[:, 0]
        commas = ((windows == ord(",")) & (np.arange(reach) < distance)).sum(axis=1)
        is_found = is_mark.any(axis=1)
        if (is_found & (marks != ord(":")) & ((marks != ord("[")) | (commas > 1))).any():
            return True
        places = places[~is_found]
    return len(places) > 0


def _places(characters: np.ndarray, letter: bytes) -> np.ndarray:
    """Where a letter stands in (N,) uint8."""
    return np.concatenate([np.flatnonzero(is_it) + at for at, is_it in _comparisons(characters, letter)])


def _count_letter(characters: np.ndarray, letter: bytes) -> int:
    """How often a letter stands in (N,) uint8."""
    return sum(int(np.count_nonzero(is_it)) for _, is_it in _comparisons(characters, letter))


def _comparisons(characters: np.ndarray, letter: bytes) -> Iterator[tuple[int, np.ndarray]]:
    """Where each piece starts and which of its letters are this one: small enough to need no new memory each time."""
    for start in range(0, len(characters), _PIECE):
        yield start, characters[start : start + _PIECE] == ord(letter)


def _count(characters: np.ndarray, key: bytes, letter: bytes) -> int:
    """How often a key of at most 8 bytes stands in a text: `bytes.count` in a third of its time.

    Args:
        characters: The text as (N,) uint8.
        key: With its quotes.
        letter: Of the key, the rarest one in results files.
    """
    if len(characters) < 8:
        return 0
    places = _places(characters, letter) - key.index(letter)
    # Eight bytes from each place on; the last seven places hold the text's closing brackets.
    words = np.ndarray(len(characters) - 7, dtype="<u8", buffer=characters, strides=(1,))
    here = words[places[(places >= 0) & (places < len(words))]] & np.uint64((1 << 8 * len(key)) - 1)
    return int(np.count_nonzero(here == np.uint64(int.from_bytes(key, "little"))))


class _Columns:
    """The fields of a list of entries, and the error that names an entry."""

    def __init__(self, name: str, entries: Any) -> None:
        if not isinstance(entries, Sequence):
            kind = type(entries).__name__
            raise ValueError(f"load_results: {name} must hold a list of detections, got {kind}")
        self.name = name
        self.entries = entries

    def get(self, field: str) -> list[Any]:
        """The values of one field."""
        try:
            return [entry[field] for entry in self.entries]
        except (KeyError, TypeError):
            for index, entry in enumerate(self.entries):
                if not isinstance(entry, Mapping):
                    self.refuse(index, field, "is missing: the entry is no object")
                if field not in entry:
                    self.refuse(index, field, "is missing")
            raise

    def refuse_first(self, field: str, values: Sequence[Any], is_good: Any, problem: str) -> None:
        """Raise for the first value that is not good."""
        for index, value in enumerate(values):
            if not is_good(value):
                self.refuse(index, field, f"{problem}: {short_repr(value)}")

    def refuse(self, index: int, field: str, problem: str) -> NoReturn:
        raise ValueError(f"load_results: {self.name}: entry {index}: {field} {problem}")


def _boxes(columns: _Columns, values: Sequence[Any]) -> np.ndarray:
    try:
        boxes = np.array(values, dtype=np.float64).reshape(len(values), -1)
    except (ValueError, TypeError):
        boxes = np.zeros((0, 0))
    if len(values) and (boxes.shape != (len(values), 4) or not np.isfinite(boxes).all() or (boxes[:, 2:] < 0).any()):
        columns.refuse_first("bbox", values, _is_box, "is not x, y, width, height of finite numbers")
    return boxes.reshape(-1, 4)


def _masks(columns: _Columns, values: Sequence[Any], sizes: Sequence[list[int]]) -> RunLengths:
    for index, (mask, size) in enumerate(zip(values, sizes, strict=True)):
        if not isinstance(mask, Mapping) or not isinstance(mask.get("counts"), (str, bytes)):
            columns.refuse(index, "segmentation", f"is no RLE with compressed counts: {short_repr(mask)}")
        given = mask.get("size")
        if not isinstance(given, Sequence) or list(given) != size:
            columns.refuse(index, "segmentation", f"has size {given!r:.80}, but the image has {size}")
    masks = RunLengths.of(values)
    try:
        masks.check()
    except MaskFault as fault:
        columns.refuse(fault.position, "segmentation", fault.problem)
    return masks


def _keypoints(columns: _Columns, values: Sequence[Any]) -> np.ndarray:
    def is_good(points: Any) -> bool:
        return isinstance(points, Sequence) and len(points) % 3 == 0 and all(map(_is_finite, points))

    columns.refuse_first("keypoints", values, is_good, "are not x, y, v of finite numbers for each keypoint")
    lengths = {len(points) for points in values}
    if len(lengths) > 1:
        first = len(values[0])
        columns.refuse_first("keypoints", values, lambda p: len(p) == first, f"are not {first} numbers as in entry 0")
    count = len(values[0]) // 3 if values else 0
    return np.array(values, dtype=np.float64).reshape(len(values), count, 3)


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_box(value: Any) -> bool:
    return isinstance(value, Sequence) and len(value) == 4 and all(map(_is_finite, value)) and min(value[2:]) >= 0
