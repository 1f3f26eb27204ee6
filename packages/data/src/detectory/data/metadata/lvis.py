"""Classes of LVIS."""

from typing import Any

from detectory.core.suggestions import nearest

from .coco import coco_instances_metadata
from .facts import fact_file


def get_lvis_instances_meta(dataset_name: str) -> dict[str, Any]:
    """Return the metadata of a version of LVIS.

    Args:
        dataset_name: A name that starts with `"lvis_v0.5"` or `"lvis_v1"`, or contains `"cocofied"` (COCO's classes).

    Returns:
        `thing_classes`. With `cocofied` also the category id mapping and the colours; for v1 also `class_image_count`,
        the number of training images per class as dicts with `id` (from 1) and `image_count`.

    Raises:
        ValueError: If the version is unknown.

    Source: The categories of `lvis_v1_train.json`.
    """
    if "cocofied" in dataset_name:
        return coco_instances_metadata()
    if dataset_name.startswith("lvis_v0.5"):
        return {"thing_classes": list(fact_file("lvis_v0.5_classes.json"))}
    if dataset_name.startswith("lvis_v1"):
        counts = enumerate(fact_file("lvis_v1_image_counts.json"), start=1)
        return {
            "thing_classes": list(fact_file("lvis_v1_classes.json")),
            "class_image_count": [{"id": category, "image_count": count} for category, count in counts],
        }
    raise ValueError(f"get_lvis_instances_meta: unknown version: {nearest(dataset_name, ['lvis_v0.5', 'lvis_v1'])}")
