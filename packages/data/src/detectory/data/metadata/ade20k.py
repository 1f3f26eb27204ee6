"""Classes of ADE20K."""

from typing import Any

from .facts import fact_file


def ade20k_semantic_metadata() -> dict[str, Any]:
    """Return ADE20K's 150 classes for semantic segmentation."""
    return {"stuff_classes": [category["name"] for category in fact_file("ade20k_categories.json")]}


def ade20k_panoptic_metadata() -> dict[str, Any]:
    """Return ADE20K's 150 classes, 100 things and 50 stuff classes, with one range of ids."""
    categories = fact_file("ade20k_categories.json")
    names = [category["name"] for category in categories]
    return {
        "thing_classes": names,
        "stuff_classes": list(names),
        "thing_dataset_id_to_contiguous_id": {c["id"]: c["id"] for c in categories if c["isthing"]},
        "stuff_dataset_id_to_contiguous_id": {c["id"]: c["id"] for c in categories if not c["isthing"]},
    }
