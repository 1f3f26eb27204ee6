"""Rules about one object: its box and its mask, in relation to each other and to the image."""

from collections.abc import Callable, Iterator

from detectory.core.text import short_repr
from detectory.data.problems import Problem

from .objects import Box, CheckedObject

# Writers round to pixels, and real datasets exceed their images by fractions of a pixel.
TOLERANCE = 1.0
_MAX_RELATIVE_SIDE = 2.0
_MIN_IOU = 0.5
# Thin objects have a low IoU with a box that is rounded to pixels.
_MIN_SIDE_DIFFERENCE = 2.0
# In a smaller image, coordinates in [0, 1] are plausible pixels.
_MIN_IMAGE_SIDE = 8


def object_problems(item: CheckedObject) -> Iterator[Problem]:
    """Yield the problems of the box and the mask of an object."""
    box_rule = None
    if item.box is not None:
        box_rule = next((rule for rule, violates in _BOX_RULES.items() if violates(item, item.box)), None)
        if box_rule:
            yield _problem(item, box_rule, item.box_field, _box_message(item), item.stored_box)
    bounds = item.mask_bounds
    if bounds is None:
        return
    rule = next((rule for rule, violates in _MASK_RULES.items() if violates(item, bounds)), None)
    rounded = [round(value, 2) for value in bounds]
    if rule:
        message = f"the mask covers {rounded} (x1, y1, x2, y2){_image_phrase(item)}"
        yield _problem(item, rule, item.mask_field, message, rounded)
    # A mask cannot be compared with an invalid box.
    elif item.box is not None and box_rule in (None, "box-partly-outside") and _differs(item.box, bounds):
        rule = "polygon-box-mismatch" if iou(item.box, bounds) > 0 else "polygon-outside-box"
        box = [round(value, 2) for value in item.box]
        message = f"the mask covers {rounded}, but the box covers {box} (x1, y1, x2, y2)"
        yield _problem(item, rule, item.mask_field, message, rounded)


def iou(box: Box, other: Box) -> float:
    """Return the intersection over union of two boxes `(x1, y1, x2, y2)`."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    intersection = max(width, 0.0) * max(height, 0.0)
    union = _area(box) + _area(other) - intersection
    return intersection / union if union > 0 else 0.0


def exceeds(box: Box, size: tuple[int, int] | None) -> bool:
    """Return whether a box exceeds an image of `(height, width)` by more than the tolerance."""
    if size is None:
        return False
    x1, y1, x2, y2 = box
    return x1 < -TOLERANCE or y1 < -TOLERANCE or x2 > size[1] + TOLERANCE or y2 > size[0] + TOLERANCE


def _area(box: Box) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def _differs(box: Box, bounds: Box) -> bool:
    difference = max(abs(a - b) for a, b in zip(box, bounds, strict=True))
    return difference > _MIN_SIDE_DIFFERENCE and iou(box, bounds) < _MIN_IOU


def _is_empty(_: CheckedObject, box: Box) -> bool:
    return box[2] <= box[0] or box[3] <= box[1]


def _is_normalized(item: CheckedObject, box: Box) -> bool:
    return item.size is not None and min(item.size) >= _MIN_IMAGE_SIDE and min(box) >= 0 and max(box) <= 1


def _is_outside(item: CheckedObject, box: Box) -> bool:
    if item.size is None:
        return False
    return box[0] > item.size[1] or box[1] > item.size[0] or box[2] < 0 or box[3] < 0


def _is_larger_than_image(item: CheckedObject, box: Box) -> bool:
    if item.size is None:
        return False
    height, width = item.size
    return box[2] - box[0] > _MAX_RELATIVE_SIDE * width or box[3] - box[1] > _MAX_RELATIVE_SIDE * height


def _is_partly_outside(item: CheckedObject, box: Box) -> bool:
    return exceeds(box, item.size)


_Violates = Callable[[CheckedObject, Box], bool]
# The first violated rule of a box, and of the bounds of a mask, is reported.
_BOX_RULES: dict[str, _Violates] = {
    "empty-box": _is_empty,
    "normalized-coordinates": _is_normalized,
    "box-outside-image": _is_outside,
    "box-larger-than-image": _is_larger_than_image,
    "box-partly-outside": _is_partly_outside,
}
_MASK_RULES: dict[str, _Violates] = {
    "normalized-coordinates": _is_normalized,
    "polygon-outside-image": _is_outside,
    "polygon-partly-outside": _is_partly_outside,
}


def _box_message(item: CheckedObject) -> str:
    return f"box {short_repr(item.stored_box)}{_image_phrase(item)}"


def _image_phrase(item: CheckedObject) -> str:
    return "" if item.size is None else f" in an image of {item.size[1]} x {item.size[0]} pixels"


def _problem(item: CheckedObject, rule: str, field: str, message: str, value: object) -> Problem:
    return Problem(item.file, item.place, field, message, rule, value)
