"""Checks of the single objects of an annotation file and of all objects together."""

from collections import Counter
from collections.abc import Iterator

from detectory.core.text import short_repr
from detectory.data.problems import Problem

from .object_rules import exceeds, object_problems
from .objects import Box, CheckedObject

# Violations that follow from boxes stored as corners.
_CONSEQUENCES = frozenset({"box-larger-than-image", "box-partly-outside", "polygon-box-mismatch"})
_MIN_EXCEEDING_FRACTION = 0.2
_AREA_TOLERANCE = 0.001


class ObjectChecks:
    """The objects of one annotation file or split.

    Call `add` per object and `finish` at the end.

    Args:
        file: The annotation file, for problems of the whole file.
        needs_objects: Whether a file without usable objects is a problem; False for test sets.
        may_have_corner_boxes: Whether boxes are stored as `x, y, width, height`, so that corners are a likely mistake.
    """

    def __init__(self, file: str, needs_objects: bool = True, may_have_corner_boxes: bool = False) -> None:
        self._file, self._needs_objects = file, needs_objects
        self._corners = _CornerBoxes() if may_have_corner_boxes else None
        self._problems: list[Problem] = []
        self._seen: set[int] = set()
        self._counts: Counter[str] = Counter()
        self._keypoint_counts: dict[object, int] = {}

    def add(self, item: CheckedObject) -> None:
        """Check an object with valid values."""
        self._problems.extend(object_problems(item))
        key = item.key()
        if key in self._seen:
            message = f"equals an earlier annotation of image {item.image}"
            self._problems.append(Problem(item.file, item.place, "", message, "duplicate-annotation", item.stored_box))
        self._seen.add(key)
        if item.keypoints is not None:
            self._check_keypoint_count(item, len(item.keypoints) // 3)
        is_empty = item.box is not None and (item.box[2] <= item.box[0] or item.box[3] <= item.box[1])
        self._counts["crowds" if item.is_crowd else "empty boxes" if is_empty else "usable"] += 1
        if self._corners is not None:
            self._corners.add(item)

    def count_invalid(self) -> None:
        """Count an object with a reported problem, which is not checked further."""
        self._counts["invalid"] += 1

    def finish(self) -> Iterator[Problem]:
        """Yield all problems of the objects."""
        corners = self._corners.problems() if self._corners is not None else []
        yield from corners
        yield from (one for one in self._problems if not (corners and one.rule in _CONSEQUENCES))
        # Invalid objects are reported separately.
        if self._needs_objects and not self._counts["usable"] and not self._counts["invalid"]:
            total = self._counts.total()
            details = ", ".join(f"{count} {name}" for name, count in self._counts.items() if count)
            message = f"{total} objects{f': {details}' if details else ''}"
            yield Problem(self._file, "", "", message, "no-objects", total)

    def _check_keypoint_count(self, item: CheckedObject, count: int) -> None:
        expected = self._keypoint_counts.setdefault(item.category, count)
        if count != expected:
            message = f"has {count} keypoints, but earlier annotations of the category have {expected}"
            self._problems.append(Problem(item.file, item.place, "keypoints", message, "keypoint-count", count))

    def expect_keypoints(self, category: object, count: int) -> None:
        """Set the number of keypoints of a category; otherwise its first annotation determines the number."""
        self._keypoint_counts[category] = count


class _CornerBoxes:
    """Recognition of boxes stored as `x1, y1, x2, y2` in files with `x, y, width, height`.

    A box is a vote for the reading that equals the bounds of its mask or, without a mask, the stored area. Without
    votes, boxes are corners if all of them are valid corners and if, read as `x, y, width, height`, at least a fifth of
    them exceeds the image.
    """

    def __init__(self) -> None:
        self._candidates: list[Problem] = []
        self._votes: Counter[str] = Counter()
        self._num_boxes = self._num_exceeding = 0
        self._are_valid_corners = True

    def add(self, item: CheckedObject) -> None:
        if item.box is None or item.size is None:
            return
        x, y, right, bottom = item.box
        corners: Box = (x, y, right - x, bottom - y)  # the stored numbers
        self._num_boxes += 1
        self._num_exceeding += exceeds(item.box, item.size)
        is_valid = corners[2] > x and corners[3] > y and not exceeds(corners, item.size)
        self._are_valid_corners &= is_valid
        vote = _vote(item, corners, item.box)
        self._votes[vote] += 1
        if is_valid and vote != "sizes":
            message = f"box {short_repr(item.stored_box)} in an image of {item.size[1]} x {item.size[0]} pixels"
            self._candidates.append(
                Problem(item.file, item.place, item.box_field, message, "corner-boxes", item.stored_box)
            )

    def problems(self) -> list[Problem]:
        if self._votes["corners"] or self._votes["sizes"]:
            return self._candidates if self._votes["corners"] > self._votes["sizes"] else []
        is_frequent = self._num_exceeding > 0 and self._num_exceeding >= _MIN_EXCEEDING_FRACTION * self._num_boxes
        return self._candidates if self._are_valid_corners and is_frequent else []


def _vote(item: CheckedObject, corners: Box, box: Box) -> str:
    """Return the only reading of a box that fits its mask or its area: "corners", "sizes", or "" if undecided."""
    bounds = item.mask_bounds
    if bounds is not None:
        fits = [max(abs(a - b) for a, b in zip(bounds, reading, strict=True)) <= 2 for reading in (corners, box)]
    elif item.area is not None:
        areas = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (corners, box)]
        fits = [abs(area - item.area) <= _AREA_TOLERANCE * item.area for area in areas]
    else:
        return ""
    return "" if fits[0] == fits[1] else "corners" if fits[0] else "sizes"
