"""Keypoints of Datumaro's JSON format: points of labels with named points, and skeletons."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectory.core.text import short_repr
from detectory.data.problems import DatasetError, Problem


@dataclass(frozen=True)
class PointCategory:
    """The keypoints of a label: their names, and the edges of the skeleton as pairs of indices from 1."""

    names: list[str]
    edges: list[list[int]]
    indices: dict[int, int]
    """Skeletons: the label id per keypoint to the position of the keypoint."""


def point_categories(content: Mapping[str, Any], class_names: Sequence[str]) -> dict[int, PointCategory]:
    """Return the keypoints by label id, from `categories.points`."""
    points = content["categories"].get("points")
    items = points.get("items") if isinstance(points, dict) else None
    found = {}
    for item in items if isinstance(items, list) else []:
        names, edges = item.get("labels"), item.get("joints")
        if isinstance(item.get("label_id"), int) and isinstance(names, list) and names:
            known = [str(name) for name in names]
            indices = {class_names.index(name): index for index, name in enumerate(known) if name in class_names}
            valid = [list(edge) for edge in edges or [] if isinstance(edge, (list, tuple)) and len(edge) == 2]
            found[item["label_id"]] = PointCategory(known, valid, indices)
    return found


def is_keypoints(annotation: Mapping[str, Any], described: Mapping[int, PointCategory]) -> bool:
    """Return whether an annotation is a skeleton, or points of a label with named points."""
    return annotation.get("type") in ("points", "skeleton") and annotation.get("label_id") in described


def keypoint_values(
    annotation: Mapping[str, Any], described: Mapping[int, PointCategory], file: Path, place: str
) -> list[float]:
    """Return `[x, y, visibility, …]`. Datumaro's visibilities are those of COCO: 0 absent, 1 hidden, 2 visible.

    Raises:
        DatasetError: If the number of points is wrong, or a value is invalid.
    """
    category = described[annotation["label_id"]]
    count = len(category.names)
    if annotation["type"] == "points":
        return _values(annotation, count, file, place)
    keypoints = [0.0] * (3 * count)
    for element in annotation.get("elements") or []:
        position = category.indices.get(element.get("label_id"))
        if position is None:
            message = f"no keypoint of the label has the id {short_repr(element.get('label_id'))}"
            raise DatasetError(Problem(str(file), place, "elements", message))
        keypoints[3 * position : 3 * position + 3] = _values(element, 1, file, place)
    return keypoints


def _values(annotation: Mapping[str, Any], count: int, file: Path, place: str) -> list[float]:
    points, visibility = annotation.get("points"), annotation.get("visibility") or [2] * count
    if not isinstance(points, list) or len(points) != 2 * count or not all(map(_is_number, points)):
        got = len(points) if isinstance(points, list) else short_repr(points)
        message = f"must be {2 * count} numbers for {count} keypoints, got {got}"
        raise DatasetError(Problem(str(file), place, "points", message))
    if not isinstance(visibility, list) or len(visibility) != count or any(v not in (0, 1, 2) for v in visibility):
        message = f"must be {count} values of 0, 1 or 2, got {short_repr(visibility)}"
        raise DatasetError(Problem(str(file), place, "visibility", message))
    return [
        value
        for index, v in enumerate(visibility)
        for value in ((float(points[2 * index]), float(points[2 * index + 1]), v) if v else (0.0, 0.0, 0))
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
