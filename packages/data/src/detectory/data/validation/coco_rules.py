"""Rules of COCO files about ids, names and areas, beyond what the reader checks."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from detectory.core.text import short_repr
from detectory.data.formats.coco.problems import annotation_place, category_id_problem
from detectory.data.problems import Problem


def category_rule_problems(categories: Sequence[Mapping[str, Any]], file: str) -> Iterator[Problem]:
    """Yield categories with the name of another one, and categories with an id that evaluation rejects."""
    ids: dict[str, Any] = {}
    for category in categories:
        identifier, name = category["id"], category.get("name")
        place = f"category {identifier}"
        if message := category_id_problem(identifier):
            yield Problem(file, place, "id", message, "category-id", identifier)
        if isinstance(name, str) and name in ids:
            message = f"{name!r} is also the name of category {ids[name]}"
            yield Problem(file, place, "name", message, "duplicate-category-name", name)
        elif isinstance(name, str):
            ids[name] = identifier


def annotation_rule_problems(annotation: Mapping[str, Any], file: str, index: int) -> Iterator[Problem]:
    """Yield a missing id, and fields that only evaluation reads and rejects."""
    place = annotation_place(annotation, index)
    if annotation.get("id") is None:
        yield Problem(file, place, "id", "missing", "missing-annotation-id")
    area = annotation.get("area")
    if area is not None and not _is_area(area):
        message = f"must be a finite number of at least 0, got {short_repr(area)}"
        yield Problem(file, place, "area", message, "invalid-area", area)
    count = annotation.get("num_keypoints")
    if count is not None and (not isinstance(count, int) or count < 0):
        yield Problem(file, place, "num_keypoints", f"must be an integer of at least 0, got {short_repr(count)}")


def named_keypoints(categories: Sequence[Mapping[str, Any]]) -> dict[Any, int]:
    """Return the number of keypoints per category id, of the categories that list the names of their keypoints."""
    return {
        category["id"]: len(category["keypoints"])
        for category in categories
        if isinstance(category.get("keypoints"), list) and category["keypoints"]
    }


def _is_area(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
