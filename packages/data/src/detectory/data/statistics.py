"""Dataset statistics: objects per class, image and box sizes, areas, class imbalance."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pycocotools.mask

from detectory.structures import BoxMode, polygon_area

from .formats.coco.rle import compress_rle

SMALL_AREA, MEDIUM_AREA = 32**2, 96**2
"""Upper limits of COCO's small and medium objects in square pixels."""


@dataclass
class ClassStatistics:
    """Statistics of one class.

    Attributes:
        name: The class name.
        images: The number of images with at least one object.
        objects: The number of objects, without crowd regions.
        crowds: The number of crowd regions.
        small: The number of objects with an area below 32².
        medium: The number of objects with an area in [32², 96²).
        large: The number of objects with an area of 96² and more.
        median_area: The median area of the objects in square pixels; NaN without objects.
    """

    name: str
    images: int
    objects: int
    crowds: int
    small: int
    medium: int
    large: int
    median_area: float


@dataclass
class DatasetStatistics:
    """Statistics of a dataset. Objects do not include crowd regions.

    Attributes:
        images: The number of images.
        objects: The number of objects.
        crowds: The number of crowd regions.
        empty_images: The number of images without objects.
        classes: One entry per class, in the order of the class ids.
        image_sizes: Height and width, shape `(images, 2)`, without the images of unknown size.
        objects_per_image: Shape `(images,)`.
        areas: Areas of the masks, or of the boxes for objects without a mask, in square pixels; shape `(objects,)`.
        box_sizes: Width and height of the boxes, shape `(objects, 2)`.
        box_centers: Centres of the boxes (x, y) relative to the image size; NaN if the image size is unknown; shape
            `(objects, 2)`.
        categories: Class ids, shape `(objects,)`.
        records: Index of the record of each object, shape `(objects,)`.
        objects_with: The numbers of objects with a `"mask"` and with `"keypoints"`.
    """

    images: int
    objects: int
    crowds: int
    empty_images: int
    classes: list[ClassStatistics]
    image_sizes: np.ndarray
    objects_per_image: np.ndarray
    areas: np.ndarray
    box_sizes: np.ndarray
    box_centers: np.ndarray
    categories: np.ndarray
    records: np.ndarray
    objects_with: dict[str, int]

    @property
    def imbalance(self) -> float:
        """The number of objects of the most frequent class divided by that of the rarest class with objects, or NaN."""
        counts = [class_statistics.objects for class_statistics in self.classes if class_statistics.objects]
        return max(counts) / min(counts) if counts else float("nan")

    @property
    def missing_classes(self) -> list[str]:
        """The names of the classes without objects."""
        return [class_statistics.name for class_statistics in self.classes if not class_statistics.objects]


def object_area(annotation: Mapping[str, Any], image_size: tuple[int, int] | None = None) -> float:
    """Return the area of an annotation in square pixels: of its mask if there is one, otherwise of its box.

    Args:
        annotation: An annotation in the standard format.
        image_size: `(height, width)` of the image, required for relative boxes.
    """
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, dict):
        return float(pycocotools.mask.area(compress_rle(segmentation)))
    if isinstance(segmentation, list) and segmentation:
        polygons = [np.asarray(polygon, dtype=np.float64).reshape(-1) for polygon in segmentation]
        return float(sum(polygon_area(polygon[0::2], polygon[1::2]) for polygon in polygons))
    width, height = _xywh_box(annotation, image_size)[2:]
    return float(width * height)


def _xywh_box(annotation: Mapping[str, Any], image_size: tuple[int, int] | None) -> list[float]:
    """Return the box as `[x, y, width, height]`; the angle of a rotated box is ignored."""
    box, mode = [float(value) for value in annotation["bbox"]], BoxMode(annotation["bbox_mode"])
    if mode == BoxMode.XYWHA_ABS:
        return [box[0] - box[2] / 2, box[1] - box[3] / 2, box[2], box[3]]
    return [float(value) for value in BoxMode.convert(box, mode, BoxMode.XYWH_ABS, image_size)]


class _ObjectRow(NamedTuple):
    """A row of the table of objects; the table is one float64 array."""

    record: int
    category: int
    area: float
    width: float
    height: float
    center_x: float
    center_y: float


def dataset_statistics(
    records: Sequence[Mapping[str, Any]],
    class_names: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> DatasetStatistics:
    """Compute the statistics of records in the standard format.

    `segments_info` is used for records without `annotations`.

    Args:
        records: The records.
        class_names: The class names in the order of the class ids.
        progress: A function that is called with the number of processed records and the total number.

    Raises:
        ValueError: If a category id is not the id of a class. The message contains file and image id.
    """
    sizes, objects_per_image, rows = [], [], []
    crowds = np.zeros(len(class_names), dtype=np.int64)
    objects_with = {"mask": 0, "keypoints": 0}
    for index, record in enumerate(records):
        size = (record["height"], record["width"]) if "height" in record and "width" in record else None
        if size is not None:
            sizes.append(size)
        count = 0
        for annotation in _annotations(record):
            category = annotation["category_id"]
            if not 0 <= category < len(class_names):
                place = f"{record.get('file_name')} (image id {record.get('image_id')!r})"
                raise ValueError(f"{place}: category_id must be in [0, {len(class_names)}), got {category}")
            if annotation.get("iscrowd", 0):
                crowds[category] += 1
                continue
            rows.append(_object_row(index, annotation, size))
            objects_with["mask"] += bool(annotation.get("segmentation")) or "is_segment" in annotation
            objects_with["keypoints"] += "keypoints" in annotation
            count += 1
        objects_per_image.append(count)
        if progress is not None:
            progress(index + 1, len(records))
    table = np.array(rows, dtype=np.float64).reshape(-1, len(_ObjectRow._fields))
    categories = table[:, 1].astype(np.int64)
    return DatasetStatistics(
        images=len(objects_per_image),
        objects=len(table),
        crowds=int(crowds.sum()),
        empty_images=sum(count == 0 for count in objects_per_image),
        classes=[
            _class_statistics(name, table[categories == category], int(crowds[category]))
            for category, name in enumerate(class_names)
        ],
        image_sizes=np.array(sizes, dtype=np.int64).reshape(-1, 2),
        objects_per_image=np.array(objects_per_image, dtype=np.int64),
        areas=table[:, 2],
        box_sizes=table[:, 3:5],
        box_centers=table[:, 5:7],
        categories=categories,
        records=table[:, 0].astype(np.int64),
        objects_with=objects_with,
    )


def _annotations(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the annotations of a record, or the segments of a panoptic record that have a box and an area."""
    if "annotations" in record or "segments_info" not in record:
        return record.get("annotations", [])
    return [
        {**segment, "bbox_mode": BoxMode.XYWH_ABS, "is_segment": True}
        for segment in record["segments_info"]
        if "bbox" in segment and "area" in segment
    ]


def _object_row(index: int, annotation: Mapping[str, Any], size: tuple[int, int] | None) -> _ObjectRow:
    x, y, width, height = _xywh_box(annotation, size)
    center_x, center_y = float("nan"), float("nan")
    if size is not None:
        center_x, center_y = (x + width / 2) / size[1], (y + height / 2) / size[0]
    area = annotation["area"] if "is_segment" in annotation else object_area(annotation, size)
    return _ObjectRow(index, annotation["category_id"], area, width, height, center_x, center_y)


def _class_statistics(name: str, rows: np.ndarray, crowds: int) -> ClassStatistics:
    areas = rows[:, 2]
    small, large = int((areas < SMALL_AREA).sum()), int((areas >= MEDIUM_AREA).sum())
    return ClassStatistics(
        name=name,
        images=len(np.unique(rows[:, 0])),
        objects=len(rows),
        crowds=crowds,
        small=small,
        medium=len(rows) - small - large,
        large=large,
        median_area=float(np.median(areas)) if len(rows) else float("nan"),
    )


def sample_records(statistics: DatasetStatistics, count: int, seed: int = 0) -> list[int]:
    """Choose records to inspect: up to half of them contain one class each, rarest class first, the rest are random.

    Args:
        statistics: The statistics of the dataset.
        count: The number of records; all records if the dataset has fewer.
        seed: The seed of the random choice.

    Returns:
        Sorted indices of records.
    """
    generator = np.random.default_rng(seed)
    counts = np.bincount(statistics.categories, minlength=len(statistics.classes))
    chosen: set[int] = set()
    for category in np.argsort(counts, kind="stable"):
        if counts[category] and len(chosen) < count // 2:
            chosen.add(int(generator.choice(statistics.records[statistics.categories == category])))
    for index in generator.permutation(statistics.images).tolist():
        if len(chosen) >= count:
            break
        chosen.add(index)
    return sorted(chosen)
