"""An annotated object in the form that all rules use, whatever the format of the dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pycocotools.mask

from detectory.data.formats.coco.rle import compress_rle
from detectory.data.formats.layouts import Source
from detectory.structures import BoxMode

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class CheckedObject:
    """An object with valid values.

    Attributes:
        file: The annotation file.
        place: The record of the object, for example `"annotation 7"`.
        image: An identifier of the image.
        category: The class, in any hashable form.
        box: `(x1, y1, x2, y2)` in pixels, or None if the box is rotated or missing.
        size: `(height, width)` of the image, or None if unknown.
        polygons: The polygons of the mask; empty without a mask, and for an RLE.
        rle: The mask as an RLE, or None.
        is_crowd: Whether the object is a crowd region.
        keypoints: `[x1, y1, v1, …]`, or None.
        area: The stored area in square pixels, or None.
        stored_box: The box as it is stored in the file.
        box_field: The field of the box.
        mask_field: The field of the mask.
    """

    file: str
    place: str
    image: Any
    category: Any
    box: Box | None
    size: tuple[int, int] | None
    polygons: Sequence[Sequence[float]] = ()
    rle: Mapping[str, Any] | None = None
    is_crowd: bool = False
    keypoints: Sequence[float] | None = None
    area: float | None = None
    stored_box: Any = None
    box_field: str = "bbox"
    mask_field: str = "segmentation"

    @cached_property
    def mask_bounds(self) -> Box | None:
        """The smallest box `(x1, y1, x2, y2)` around the mask, or None without a mask."""
        if self.rle is not None:
            x, y, width, height = pycocotools.mask.toBbox(compress_rle(dict(self.rle))).tolist()
            return (x, y, x + width, y + height) if width and height else None
        if not self.polygons:
            return None
        xs = [polygon[0::2] for polygon in self.polygons]
        ys = [polygon[1::2] for polygon in self.polygons]
        return min(map(min, xs)), min(map(min, ys)), max(map(max, xs)), max(map(max, ys))

    def key(self) -> int:
        """Return a hash that is equal for objects with equal content."""
        mask = repr(self.rle) if self.rle is not None else tuple(map(tuple, self.polygons))
        keypoints = None if self.keypoints is None else tuple(self.keypoints)
        return hash((self.image, self.category, self.box, mask, self.is_crowd, keypoints))


def is_test_set(source: Source) -> bool:
    """Return whether the name of a source says that it has no annotations: a test set or a list of images."""
    return "test" in source.split.lower() or source.path.stem.startswith("image_info")


def object_of_annotation(
    annotation: Mapping[str, Any], mode: int, file: str, place: str, image: Any, size: tuple[int, int] | None
) -> CheckedObject:
    """Return the object of a valid annotation in COCO's or the standard format.

    Args:
        annotation: The annotation.
        mode: The `BoxMode` of its box.
        file: The annotation file.
        place: The record of the annotation.
        image: An identifier of the image.
        size: `(height, width)` of the image, or None.
    """
    stored = annotation["bbox"]
    segmentation = annotation.get("segmentation")
    keypoints = annotation.get("keypoints")
    return CheckedObject(
        file,
        place,
        image,
        annotation.get("category_id"),
        _corners([float(value) for value in stored], BoxMode(mode), size),
        size,
        polygons=segmentation if isinstance(segmentation, list) else (),
        rle=segmentation if isinstance(segmentation, dict) and segmentation else None,
        is_crowd=bool(annotation.get("iscrowd", 0)),
        keypoints=None if keypoints is None else [float(value) for value in keypoints],
        area=annotation.get("area"),
        stored_box=stored,
    )


def _corners(box: list[float], mode: BoxMode, size: tuple[int, int] | None) -> Box | None:
    if mode == BoxMode.XYWH_ABS:  # without the overhead of `BoxMode.convert`
        return box[0], box[1], box[0] + box[2], box[1] + box[3]
    if mode == BoxMode.XYWHA_ABS or (size is None and mode != BoxMode.XYXY_ABS):
        return None
    x1, y1, x2, y2 = BoxMode.convert(box, mode, BoxMode.XYXY_ABS, size)
    return x1, y1, x2, y2
