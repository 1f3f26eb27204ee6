"""Selection and renaming of the categories of a dataset, by the category ids of its file."""

from collections.abc import Mapping, Sequence
from typing import Any

from detectory.data import MetadataCatalog


def set_categories(
    dataset_name: str, whitelist: Sequence[int] | None = None, category_map: Mapping[int, int] | None = None
) -> None:
    """Select and rename the categories of a registered dataset before it is loaded.

    Args:
        dataset_name: Registered dataset.
        whitelist: Category ids to keep; `None` for all.
        category_map: Category id that replaces each of its keys.
    """
    metadata = MetadataCatalog.get(dataset_name)
    metadata.densepose_whitelist = None if whitelist is None else [int(value) for value in whitelist]
    metadata.densepose_category_map = {int(old): int(new) for old, new in (category_map or {}).items()}


def select_annotations(dataset_name: str, annotations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return copies of the annotations of the selected categories with their new category ids.

    Args:
        dataset_name: Registered dataset; see `set_categories`.
        annotations: Annotations with the category ids of the file.
    """
    metadata = MetadataCatalog.get(dataset_name)
    whitelist = getattr(metadata, "densepose_whitelist", None)
    renamed = getattr(metadata, "densepose_category_map", {})
    kept = [entry for entry in annotations if whitelist is None or entry["category_id"] in whitelist]
    return [{**entry, "category_id": renamed.get(entry["category_id"], entry["category_id"])} for entry in kept]
