"""Figures of a dataset: classes, sizes, areas, imbalance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pycocotools.mask

from detectory.structures import BoxMode, PolygonMasks

from .formats.coco.problems import compressed

#: Upper limits of the areas that COCO calls small and medium, in square pixels.
SMALL, MEDIUM = 32**2, 96**2


@dataclass
class ClassStatistics:
    """What one class has.

    Attributes:
        name: Of the class.
        images: With at least one object of it.
        objects: That are no crowds.
        crowds: Regions marked as crowds.
        small, medium, large: Objects of COCO's three ranges of area: below 32², from there below 96², the rest.
        median_area: Of its objects, in square pixels; NaN without objects.
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
    """Figures of a dataset.

    Attributes:
        images: How many there are.
        objects: How many that are no crowds.
        crowds: Regions marked as crowds.
        empty_images: Images without any object.
        classes: One entry a class, in the order of their numbers.
        image_sizes: `(images, 2)` of height and width; without those whose record tells none.
        objects_per_image: `(images,)`.
        areas: `(objects,)` in square pixels: of the mask where there is one, else of the box.
        box_sizes: `(objects, 2)` of width and height of boxes.
        box_centers: `(objects, 2)` of x and y, relative to the image; NaN where its size is not known.
        categories: `(objects,)` class numbers.
        records: `(objects,)` the place in the dataset of each object's image.
        objects_with: How many objects have a `"mask"` and how many `"keypoints"`.
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
        """The most frequent class's objects over the rarest one's, of classes that have any; NaN without objects."""
        counts = [one.objects for one in self.classes if one.objects]
        return max(counts) / min(counts) if counts else float("nan")

    @property
    def missing_classes(self) -> list[str]:
        """Names of the classes that have no object."""
        return [one.name for one in self.classes if not one.objects]


def object_area(annotation: dict[str, Any], size: tuple[int, int] | None = None) -> float:
    """Compute an annotation's area in square pixels: of its mask where it has one, else of its box.

    Args:
        annotation: Of the standard format.
        size: `(height, width)` of the image; relative boxes need it.
    """
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, dict):
        return float(pycocotools.mask.area(compressed(segmentation)))
    if isinstance(segmentation, list) and segmentation:
        return float(PolygonMasks([[np.asarray(polygon, dtype=np.float64) for polygon in segmentation]]).area()[0])
    width, height = _corner_box(annotation, size)[2:]
    return float(width * height)


def _corner_box(annotation: dict[str, Any], size: tuple[int, int] | None) -> list[float]:
    """A box as left, top, width, height; of a rotated one the centre less half its own sides."""
    box, mode = [float(value) for value in annotation["bbox"]], BoxMode(annotation["bbox_mode"])
    if mode == BoxMode.XYWHA_ABS:
        return [box[0] - box[2] / 2, box[1] - box[3] / 2, box[2], box[3]]
    return [float(value) for value in BoxMode.convert(box, mode, BoxMode.XYWH_ABS, size)]


def dataset_statistics(
    records: Sequence[dict[str, Any]],
    class_names: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> DatasetStatistics:
    """Count what records of the standard format hold; `segments_info` counts where there are no `annotations`.

    Args:
        records: A list, or a list-like object.
        class_names: The classes in the order of their numbers.
        progress: Called with how many records are done and how many there are.

    Raises:
        ValueError: A category id lies outside the classes; the message names file and id.
    """
    sizes, per_image, rows, crowds = [], [], [], np.zeros(len(class_names), dtype=np.int64)
    truth = {"mask": 0, "keypoints": 0}
    for done, record in enumerate(records, start=1):
        size = (record["height"], record["width"]) if "height" in record and "width" in record else None
        if size is not None:
            sizes.append(size)
        count = 0
        for annotation in _annotations(record):
            category = annotation["category_id"]
            if not 0 <= category < len(class_names):
                place = f"{record.get('file_name')} (image id {record.get('image_id')!r})"
                raise ValueError(f"{place}: category_id must lie in [0, {len(class_names)}), got {category}")
            if annotation.get("iscrowd", 0):
                crowds[category] += 1
                continue
            x, y, w, h = _corner_box(annotation, size)
            center = ((x + w / 2) / size[1], (y + h / 2) / size[0]) if size else (np.nan, np.nan)
            area = annotation["area"] if "segment" in annotation else object_area(annotation, size)
            rows.append((done, category, area, w, h, *center))
            truth["mask"] += bool(annotation.get("segmentation")) or "segment" in annotation
            truth["keypoints"] += "keypoints" in annotation
            count += 1
        per_image.append(count)
        if progress is not None:
            progress(done, len(records))
    table = np.array(rows, dtype=np.float64).reshape(-1, 7)
    numbers = table[:, 1].astype(np.int64)
    return DatasetStatistics(
        images=len(per_image),
        objects=len(table),
        crowds=int(crowds.sum()),
        empty_images=sum(count == 0 for count in per_image),
        classes=[_of_class(name, table[numbers == at], int(crowds[at])) for at, name in enumerate(class_names)],
        image_sizes=np.array(sizes, dtype=np.int64).reshape(-1, 2),
        objects_per_image=np.array(per_image, dtype=np.int64),
        areas=table[:, 2],
        box_sizes=table[:, 3:5],
        box_centers=table[:, 5:7],
        categories=numbers,
        records=table[:, 0].astype(np.int64) - 1,
        objects_with=truth,
    )


def _annotations(record: dict[str, Any]) -> list[dict[str, Any]]:
    """A record's annotations; of a panoptic one its segments with their boxes."""
    if "annotations" in record or "segments_info" not in record:
        return record.get("annotations", [])
    return [
        {**segment, "bbox_mode": BoxMode.XYWH_ABS, "segment": True}
        for segment in record["segments_info"]
        if "bbox" in segment and "area" in segment
    ]


def _of_class(name: str, rows: np.ndarray, crowds: int) -> ClassStatistics:
    areas = rows[:, 2]
    small, large = int((areas < SMALL).sum()), int((areas >= MEDIUM).sum())
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
    """Choose images to look at: for up to half of them one of each class, the rarest first, then any at random.

    Args:
        statistics: See `dataset_statistics`.
        count: How many; all where the dataset has fewer.
        seed: Of the choice.

    Returns:
        Places in the dataset, in order.
    """
    generator = np.random.default_rng(seed)
    counts = np.bincount(statistics.categories, minlength=len(statistics.classes))
    chosen: dict[int, None] = {}
    for category in np.argsort(counts, kind="stable"):
        if counts[category] and len(chosen) < count // 2:
            chosen[int(generator.choice(statistics.records[statistics.categories == category]))] = None
    for place in generator.permutation(statistics.images).tolist():
        if len(chosen) >= count:
            break
        chosen[place] = None
    return sorted(chosen)
