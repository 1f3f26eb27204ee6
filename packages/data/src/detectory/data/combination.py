"""Combination of datasets with different classes: union of the classes by name."""

from collections.abc import Mapping, Sequence
from typing import Any


def union_of_classes(class_names: Sequence[Sequence[str]]) -> list[str]:
    """Return the class names of several datasets without duplicates, in the order of their first appearance."""
    return list(dict.fromkeys(name for names in class_names for name in names))


def with_classes(
    records: Sequence[Mapping[str, Any]], old_names: Sequence[str], new_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return records whose category ids refer to another list of classes. Classes are matched by name.

    Args:
        records: Records in the standard format; they are not changed.
        old_names: The classes of the records.
        new_names: The classes of the result; must contain all `old_names`.

    Raises:
        ValueError: If a class is missing in `new_names`.
    """
    missing = [name for name in old_names if name not in new_names]
    if missing:
        raise ValueError(f"with_classes: new_names must contain all classes of the records, {missing} are missing")
    new_ids = [new_names.index(name) for name in old_names]
    return [
        {
            **record,
            "annotations": [
                {**annotation, "category_id": new_ids[annotation["category_id"]]}
                for annotation in record.get("annotations", [])
            ],
        }
        for record in records
    ]


def with_new_ids(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return records with the image ids 1, 2, …, so that records of several datasets have different ids."""
    return [{**record, "image_id": image_id} for image_id, record in enumerate(records, start=1)]


def union_of_ids(class_names: Sequence[str], datasets: Sequence[Mapping[str, int | str]]) -> list[int | str]:
    """Return a category id per class: the id in the first dataset that has the class, otherwise an unused number.

    Args:
        class_names: The classes.
        datasets: The category id per class name, of each dataset. An id that an earlier class has is replaced.
    """
    ids: dict[str, int | str] = {}
    for known in datasets:
        for name, category in known.items():
            if name not in ids and category not in ids.values():
                ids[name] = category
    unused = (number for number in range(1, len(class_names) + len(ids) + 1) if number not in ids.values())
    return [ids[name] if name in ids else next(unused) for name in class_names]
