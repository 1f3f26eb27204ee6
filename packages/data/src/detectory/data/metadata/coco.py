"""Classes, colours and keypoints of COCO."""

from typing import Any

from .facts import fact_file


def coco_instances_metadata() -> dict[str, Any]:
    """Return COCO's 80 thing classes, their colours and the mapping from COCO's ids (1 to 90) to 0..79."""
    things = [category for category in fact_file("coco_categories.json") if category["isthing"]]
    return {
        "thing_dataset_id_to_contiguous_id": {category["id"]: index for index, category in enumerate(things)},
        "thing_classes": [category["name"] for category in things],
        "thing_colors": [tuple(category["color"]) for category in things],
    }


def coco_person_metadata() -> dict[str, Any]:
    """Return COCO's keypoint class `person`: the 17 keypoint names, their left/right pairs and the skeleton."""
    keypoints = fact_file("coco_keypoints.json")
    return {
        "thing_classes": ["person"],
        "keypoint_names": list(keypoints["names"]),
        "keypoint_flip_map": [tuple(pair) for pair in keypoints["flip_map"]],
        "keypoint_connection_rules": [
            (start, end, tuple(color)) for start, end, color in keypoints["connection_rules"]
        ],
    }


def coco_panoptic_standard_metadata() -> dict[str, Any]:
    """Return COCO's 133 panoptic classes with one range of ids for things and stuff.

    `thing_classes` and `stuff_classes` both list all 133 classes, so a segment's contiguous id is an index into either.
    """
    categories = fact_file("coco_categories.json")
    names = [category["name"] for category in categories]
    colors = [tuple(category["color"]) for category in categories]
    ids = {category["id"]: index for index, category in enumerate(categories)}
    return {
        "thing_classes": names,
        "thing_colors": colors,
        "stuff_classes": list(names),
        "stuff_colors": list(colors),
        "thing_dataset_id_to_contiguous_id": {c["id"]: ids[c["id"]] for c in categories if c["isthing"]},
        "stuff_dataset_id_to_contiguous_id": {c["id"]: ids[c["id"]] for c in categories if not c["isthing"]},
    }


def coco_panoptic_separated_metadata() -> dict[str, Any]:
    """Return COCO's 80 thing classes and, with separate ids, 53 stuff classes from 1; stuff id 0 means "any thing"."""
    stuff = [category for category in fact_file("coco_categories.json") if not category["isthing"]]
    ids = {category["id"]: index for index, category in enumerate(stuff, start=1)}
    # Semantic segmentation has one class for all things. It has no id in COCO; result files use 0.
    ids[0] = 0
    return {
        **coco_instances_metadata(),
        "stuff_dataset_id_to_contiguous_id": ids,
        "stuff_classes": ["things", *[category["name"] for category in stuff]],
        "stuff_colors": [(82, 18, 128), *[tuple(category["color"]) for category in stuff]],
    }
