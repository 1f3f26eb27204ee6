"""Checks of the annotation fields of DensePose."""

from collections.abc import Mapping, Sequence
from typing import Any

from detectory.projects.densepose.structures.annotation import MASK_SIZE, NUM_COARSE_PARTS

#: Ranges of the numbers in each field, both ends included.
_RANGES = {"dp_x": (0, MASK_SIZE), "dp_y": (0, MASK_SIZE), "dp_I": (0, 24), "dp_U": (0, 1), "dp_V": (0, 1)}


def annotation_problem(annotation: Mapping[str, Any]) -> str | None:
    """Return the first problem of the fields of DensePose, or `None`.

    Args:
        annotation: Annotation of a JSON file. Without `dp_x` the object is not annotated, which is valid.
    """
    if "dp_x" not in annotation:
        return None
    names = ["dp_x", "dp_y"]
    names += ["dp_vertex"] if "dp_vertex" in annotation else ["dp_I", "dp_U", "dp_V"]
    for name in names:
        if name not in annotation:
            return f"field {name!r} is missing, but 'dp_x' is present"
    if "dp_vertex" in annotation and not isinstance(annotation.get("ref_model"), str):
        return f"field 'ref_model' must be the name of a mesh, got {annotation.get('ref_model')!r}"
    count = len(annotation["dp_x"])
    for name in names:
        values = annotation[name]
        if not isinstance(values, Sequence) or isinstance(values, str):
            return f"field {name!r} must be a list of numbers, got {type(values).__name__}"
        if len(values) != count:
            return f"field {name!r} has {len(values)} values, expected {count}"
        if problem := _number_problem(name, values):
            return problem
    return _mask_problem(annotation.get("dp_masks"))


def _number_problem(name: str, values: Sequence[Any]) -> str | None:
    low, high = _RANGES.get(name, (0, float("inf")))
    for index, value in enumerate(values):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            return f"field {name!r}, value {index} must be a number in [{low}, {high}], got {value!r}"
    return None


def _mask_problem(masks: Any) -> str | None:
    if masks is None:
        return None
    if not isinstance(masks, dict | list):
        return f"field 'dp_masks' must be a list of {NUM_COARSE_PARTS} masks or one mask, got {type(masks).__name__}"
    if isinstance(masks, list) and len(masks) > NUM_COARSE_PARTS:
        return f"field 'dp_masks' has {len(masks)} masks, expected {NUM_COARSE_PARTS}"
    for index, mask in enumerate([masks] if isinstance(masks, dict) else masks):
        if mask and list(mask.get("size", [])) != [MASK_SIZE, MASK_SIZE]:
            return f"field 'dp_masks', mask {index} must have size [256, 256], got {mask.get('size')}"
    return None
