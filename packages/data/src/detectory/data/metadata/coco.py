"""Names and colours of the built-in datasets' classes."""

from typing import Any

from .facts import fact_file


def coco_instances_metadata() -> dict[str, Any]:
    """Give COCO's 80 classes, their colours and the map from COCO's ids (1 to 90) to 0 to 79."""
    things = [category for category in fact_file("coco_categories.json") if category["isthing"]]
    return {
        "thing_dataset_id_to_contiguous_id": {category["id"]: number for number, category in enumerate(things)},
        "thing_classes": [category["name"] for category in things],
        "thing_colors": [tuple(category["color"]) for category in things],
    }


def coco_person_metadata() -> dict[str, Any]:
    """Give the one class of COCO's keypoints, the names of 17 points, their mirror images and the lines between."""
    keypoints = fact_file("coco_keypoints.json")
    return {
        "thing_classes": ["person"],
        "keypoint_names": list(keypoints["names"]),
        "keypoint_flip_map": [tuple(pair) for pair in keypoints["flip_map"]],
        "keypoint_connection_rules": [
            (one, other, tuple(color)) for one, other, color in keypoints["connection_rules"]
        ],
    }


def coco_panoptic_standard_metadata() -> dict[str, Any]:
    """Give COCO's 133 panoptic classes in one numbering, for things and for stuff alike.

    `thing_classes` and `stuff_classes` both list all 133, so that the contiguous id of a segment indexes either.
    """
    categories = fact_file("coco_categories.json")
    names, colors = [c["name"] for c in categories], [tuple(c["color"]) for c in categories]
    ids = {category["id"]: number for number, category in enumerate(categories)}
    return {
        "thing_classes": names,
        "thing_colors": colors,
        "stuff_classes": list(names),
        "stuff_colors": list(colors),
        "thing_dataset_id_to_contiguous_id": {c["id"]: ids[c["id"]] for c in categories if c["isthing"]},
        "stuff_dataset_id_to_contiguous_id": {c["id"]: ids[c["id"]] for c in categories if not c["isthing"]},
    }


def coco_panoptic_separated_metadata() -> dict[str, Any]:
    """Give COCO's 80 things and, numbered apart, its 53 stuff classes, where 0 means "any thing"."""
    stuff = [category for category in fact_file("coco_categories.json") if not category["isthing"]]
    ids = {category["id"]: number + 1 for number, category in enumerate(stuff)}
    # All things are one semantic class; they appear in a prediction's json under the id 0.
    ids[0] = 0
    return {
        **coco_instances_metadata(),
        "stuff_dataset_id_to_contiguous_id": ids,
        "stuff_classes": ["things", *[category["name"] for category in stuff]],
        "stuff_colors": [(82, 18, 128), *[tuple(category["color"]) for category in stuff]],
    }


def ade20k_panoptic_metadata() -> dict[str, Any]:
    """Give ADE20k's 150 classes in one numbering, 100 things and 50 stuff."""
    categories = fact_file("ade20k_categories.json")
    names = [category["name"] for category in categories]
    return {
        "thing_classes": names,
        "stuff_classes": list(names),
        "thing_dataset_id_to_contiguous_id": {c["id"]: c["id"] for c in categories if c["isthing"]},
        "stuff_dataset_id_to_contiguous_id": {c["id"]: c["id"] for c in categories if not c["isthing"]},
    }
