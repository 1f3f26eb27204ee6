"""Classes and colours of Cityscapes."""

from typing import Any

from .facts import fact_file


def cityscapes_metadata() -> dict[str, Any]:
    """Return Cityscapes' 8 thing classes and 19 stuff classes; the stuff classes include the things."""
    categories = fact_file("cityscapes_categories.json")
    return {
        "thing_classes": [category["name"] for category in categories if category["isthing"]],
        "thing_colors": [tuple(category["color"]) for category in categories if category["isthing"]],
        "stuff_classes": [category["name"] for category in categories],
        "stuff_colors": [tuple(category["color"]) for category in categories],
    }


def cityscapes_panoptic_metadata() -> dict[str, Any]:
    """Return Cityscapes' 19 classes with one range of ids for things and stuff, and the mapping from label ids."""
    categories = fact_file("cityscapes_categories.json")
    names = [category["name"] for category in categories]
    colors = [tuple(category["color"]) for category in categories]
    return {
        "thing_classes": names,
        "thing_colors": colors,
        "stuff_classes": list(names),
        "stuff_colors": list(colors),
        "thing_dataset_id_to_contiguous_id": {c["id"]: c["trainId"] for c in categories if c["isthing"]},
        "stuff_dataset_id_to_contiguous_id": {c["id"]: c["trainId"] for c in categories if not c["isthing"]},
    }
