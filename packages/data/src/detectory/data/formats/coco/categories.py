"""Order and contiguous ids of COCO categories."""

from collections.abc import Mapping, Sequence
from typing import Any


def id_order(item_id: Any) -> tuple[bool, Any]:
    """Return a sort key for ids of mixed types: integers before strings."""
    return isinstance(item_id, str), item_id


def contiguous_categories(categories: Sequence[Mapping[str, Any]]) -> tuple[list[str], dict[Any, int]]:
    """Sort categories by id and number them from 0.

    Returns:
        The class names in this order, and the mapping from the ids of the file to contiguous ids.
    """
    ordered = sorted(categories, key=lambda category: id_order(category["id"]))
    names = [category["name"] for category in ordered]
    return names, {category["id"]: index for index, category in enumerate(ordered)}
