"""Selection of the annotation sources and records that a `data` command works on."""

import random
from collections.abc import Sequence
from typing import Any

from detectory.core.suggestions import nearest
from detectory.data.formats.layouts import Source
from detectory.data.sources import find_sources
from detectory.structures.records import DatasetRecord


def select_sources(path: str, images: str | None, only: str) -> list[Source]:
    """Return the annotation sources of a path with the text `only` in their file name or split.

    Raises:
        FileNotFoundError: If there is no such source.
    """
    sources = find_sources(path, images)
    selected = [source for source in sources if only in source.path.name or only in source.split]
    if not selected:
        raise FileNotFoundError(f"{path}: no annotations with {only!r} in their name: {', '.join(map(str, sources))}")
    return selected


def select_records(
    records: Sequence[DatasetRecord],
    metadata: Any,
    *,
    count: int,
    image_ids: Sequence[str] = (),
    class_name: str | None = None,
    seed: int | None = None,
) -> list[DatasetRecord]:
    """Return up to `count` records, optionally only those with given image ids or with an object of a class.

    Args:
        records: Records of a dataset.
        metadata: Metadata of the dataset, for the class names.
        count: Maximum number of records.
        image_ids: Image ids as text; empty for all images.
        class_name: Name of a class, or None for all images.
        seed: Seed of a random order; None keeps the order of the dataset.

    Raises:
        ValueError: If the dataset does not have the class.
    """
    category_id = None
    if class_name is not None:
        names = class_names(metadata)
        if class_name not in names:
            raise ValueError(f"--class: unknown class {class_name!r}: {nearest(class_name, names)}")
        category_id = names.index(class_name)
    order = list(range(len(records)))
    if seed is not None:
        random.Random(seed).shuffle(order)
    selected: list[DatasetRecord] = []
    for index in order:
        if len(selected) >= count:
            break
        record = records[index]
        objects = record.get("annotations") or record.get("segments_info") or []
        if image_ids and str(record.get("image_id")) not in image_ids:
            continue
        if category_id is None or any(item["category_id"] == category_id for item in objects):
            selected.append(record)
    return selected


def class_names(metadata: Any) -> list[str]:
    """Return the thing classes of a dataset, or its stuff classes if it has no thing classes."""
    return list(metadata.get("thing_classes") or metadata.get("stuff_classes") or [])
