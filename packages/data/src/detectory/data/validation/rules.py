"""The rules of `check_dataset` by name, each with a severity, a meaning and a hint."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Rule:
    """A rule that a dataset can violate.

    Attributes:
        name: The name of the rule, which `Problem.rule` refers to.
        severity: `"error"`: training or evaluation rejects the dataset, or its annotations are certainly wrong.
            `"warning"`: the dataset can be used, but some annotations are probably wrong or are ignored.
        meaning: The violation, in one phrase.
        hint: How to correct the dataset, in one sentence; may be empty.
    """

    name: str
    severity: Severity
    meaning: str
    hint: str = ""


_ERRORS = {
    "invalid-file": ("a file cannot be read, or is not in the format of the dataset", ""),
    "invalid-value": ("a field is missing or has an invalid value", ""),
    "invalid-box": ("a box is not four or five finite numbers, or has a negative width or height", ""),
    "invalid-segmentation": ("polygons or a run-length encoding are invalid", ""),
    "invalid-keypoints": ("keypoints are not triples of x, y and visibility", ""),
    "invalid-area": (
        "the area of an annotation is not a finite number of at least 0",
        "Evaluation reads areas: write them as numbers, or remove the field.",
    ),
    "duplicate-id": ("an id is used by two records", "Assign new ids to the records."),
    "duplicate-category-name": (
        "two categories have the same name",
        "Merge or rename the categories: classes are matched by name.",
    ),
    "category-id": (
        "a category id is not an integer in [0, 2^63)",
        "Evaluation rejects such ids: number the categories from 1, in `categories` and in all annotations.",
    ),
    "unknown-id": ("an image id or a category id does not exist", ""),
    "missing-image": (
        "an image file does not exist",
        "Pass the image folder with --images if the files are in another folder.",
    ),
    "damaged-image": ("an image file cannot be decoded", ""),
    "image-size": ("an image file has another size than its record", ""),
    "implausible-size": ("a width or height is implausibly large", ""),
    "box-outside-image": ("a box is outside its image", ""),
    "box-larger-than-image": ("a box is more than twice as wide or high as its image", ""),
    "corner-boxes": (
        "boxes are stored as corners",
        "These boxes look like x1, y1, x2, y2: store x, y, width, height, where width = x2 - x1 and height = y2 - y1.",
    ),
    "normalized-coordinates": (
        "coordinates are relative to the image size",
        "These coordinates look like fractions of the image size: multiply x by the width and y by the height.",
    ),
    "polygon-outside-image": ("all polygons of an object are outside its image", ""),
    "polygon-outside-box": ("the mask and the box of an object do not overlap", ""),
    "keypoint-count": (
        "an annotation has another number of keypoints than its category or the other annotations",
        "Write x, y, visibility for every keypoint of the category, with 0, 0, 0 for keypoints without a label.",
    ),
    "no-objects": (
        "a dataset has no objects, or only crowds and objects with empty boxes",
        "Training removes images without usable objects, and evaluation returns no AP without them.",
    ),
    "label-without-image": ("a label file has no image", ""),
    "segment-without-pixels": (
        "a segment of a panoptic annotation has no pixels in its PNG file",
        "Remove the segment, or check whether the PNG file belongs to another image.",
    ),
    "pixels-without-segment": (
        "pixels of a panoptic PNG file have an id that is not in `segments_info`",
        "Add the segment to `segments_info`, or set its pixels to 0 (unlabelled).",
    ),
    "segment-file-mode": (
        "a panoptic PNG file is not an RGB image",
        "Write segment ids as colors: red + 256 * green + 65536 * blue.",
    ),
}
_WARNINGS = {
    "box-partly-outside": (
        "a box exceeds its image by more than one pixel",
        "Training clips such boxes, evaluation does not.",
    ),
    "empty-box": ("a box has zero width or height", "Training ignores objects with an empty box."),
    "polygon-partly-outside": ("a polygon exceeds its image by more than one pixel", ""),
    "polygon-box-mismatch": (
        "the mask and the box of an object differ (IoU below 0.5)",
        "Check whether the box or the polygons belong to another object.",
    ),
    "segment-area": (
        "the area of a panoptic segment is not its number of pixels",
        "Compute the areas again from the PNG files.",
    ),
    "segment-box": (
        "the box of a panoptic segment differs from its pixels by more than one pixel",
        "Compute the boxes again from the PNG files: x, y, width, height.",
    ),
    "image-without-annotation": (
        "an image of a panoptic file has no annotation",
        "Training and evaluation ignore such images.",
    ),
    "skipped-object": (
        "the reader skips objects that are not boxes, polygons, masks or keypoints of objects",
        "'detectory data convert' and training ignore them.",
    ),
    "duplicate-image": (
        "two images have the same file name",
        "Merge their annotations: a detector sees an image without the objects of its copy.",
    ),
    "split-classes": (
        "the annotation files of a dataset have different class names",
        "Classes are matched by name. Use the same names in all files.",
    ),
    "duplicate-annotation": (
        "an annotation equals another annotation of the same image",
        "Evaluation counts both, so that one of them is always missed.",
    ),
    "image-name": (
        "an image name is not relative to the image folder",
        "The file below the image folder is used. 'detectory data convert' writes names that other tools find.",
    ),
    "missing-annotation-id": (
        "an annotation has no id",
        "Detectory numbers such annotations by position; other tools need unique ids.",
    ),
}

RULES: dict[str, Rule] = {
    **{name: Rule(name, "error", *texts) for name, texts in _ERRORS.items()},
    **{name: Rule(name, "warning", *texts) for name, texts in _WARNINGS.items()},
}
"""Name to rule: all errors, then all warnings."""
