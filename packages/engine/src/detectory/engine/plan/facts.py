"""DatasetFacts: the numbers of a registered dataset that a training plan depends on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.data.annotation_summary import summarize_annotations
from detectory.data.dataset_folder import DatasetFolder
from detectory.data.images.reading import image_size_of_file
from detectory.structures import BoxMode

_MAX_SAMPLED = 2000
#: Percentile of the object sizes that counts as the size of small objects.
_SMALL_PERCENTILE = 10


@dataclass(frozen=True)
class DatasetFacts:
    """Numbers of a dataset.

    Attributes:
        images: Training images with at least one object.
        empty_images: Training images without objects, which are not used.
        val_images: Images that the model is evaluated on.
        val_origin: Origin of these images, see `DatasetFolder.val_origin`.
        classes: Names of the classes.
        objects: Number of objects in the training images, without crowd regions.
        masks: Number of objects by type of mask: `"none"`, `"polygons"`, `"rle"`.
        keypoints: Number of objects by number of keypoints.
        short_edge: Median of the shorter sides of the images, in pixels.
        long_edge: Maximum of the longer sides of the images, in pixels.
        small_object: Size of small objects relative to the shorter side of the image: the tenth percentile of the
            square root of the box area.
        max_objects: Maximum number of objects of an image.
        has_rotated_boxes: Whether an object has a rotated box.
    """

    images: int
    empty_images: int = 0
    val_images: int = 0
    val_origin: str = "split"
    classes: tuple[str, ...] = ()
    objects: int = 0
    masks: Mapping[str, int] = field(default_factory=dict)
    keypoints: Mapping[int, int] = field(default_factory=dict)
    short_edge: int = 480
    long_edge: int = 640
    small_object: float = 0.1
    max_objects: int = 0
    has_rotated_boxes: bool = False

    @property
    def has_masks(self) -> bool:
        """Whether every object has a mask."""
        return self.objects > 0 and self.masks.get("none", 0) == 0

    @property
    def has_keypoints(self) -> bool:
        """Whether most objects have keypoints."""
        with_keypoints = sum(number for count, number in self.keypoints.items() if count)
        return self.objects > 0 and with_keypoints > 0.5 * self.objects


def dataset_facts(dataset: DatasetFolder, train: str, val: str) -> DatasetFacts:
    """Return the facts of a dataset folder. Sizes are those of up to 2000 images.

    Args:
        dataset: The folder.
        train: Name of the registered training split.
        val: Name of the registered validation split.

    Raises:
        ValueError: If the training split has no objects with a box of positive width and height.
    """
    records = DatasetCatalog.get(train)
    summary = summarize_annotations(records)
    if not summary.objects:
        raise ValueError(f"{dataset.train.annotations}: {len(records)} images, but no object to train on")
    sample = [records[index] for index in _spread(len(records), _MAX_SAMPLED)]
    counts = [len(_objects(record)) for record in sample]
    if not any(_has_area(annotation) for record in sample for annotation in _objects(record)):
        raise ValueError(
            f"{dataset.train.annotations}: none of the {summary.objects} objects has a box of positive width and height"
        )
    used = len(records) if len(sample) < len(records) else sum(count > 0 for count in counts)
    sizes = np.array([_size(record) for record in sample], dtype=np.int64).reshape(-1, 2)
    return DatasetFacts(
        images=used,
        empty_images=len(records) - used,
        val_images=len(DatasetCatalog.get(val)),
        val_origin=dataset.val_origin,
        classes=tuple(MetadataCatalog.get(train).get("thing_classes") or dataset.classes),
        objects=summary.objects,
        masks=dict(summary.masks),
        keypoints=dict(summary.keypoints),
        short_edge=int(np.median(sizes.min(axis=1))),
        long_edge=int(sizes.max()),
        small_object=_small_object(sample, sizes),
        max_objects=max(counts),
        has_rotated_boxes=any(
            BoxMode(a["bbox_mode"]) == BoxMode.XYWHA_ABS for record in sample for a in _objects(record)
        ),
    )


def describe_validation(facts: DatasetFacts) -> str:
    """Return where the images of the evaluation are from."""
    if facts.val_origin == "held out":
        fraction = facts.val_images / max(facts.val_images + facts.images + facts.empty_images, 1)
        return f"validation split missing: {fraction:.0%} of the images are held out, always the same ones"
    if facts.val_origin == "training images":
        return "a validation split is missing, and there is only one image: evaluated on the training image"
    if facts.val_origin == "test":
        return "the split 'test': a validation split is missing"
    return "the validation split"


def _spread(total: int, count: int) -> list[int]:
    return sorted({int(index) for index in np.linspace(0, total - 1, min(total, count))}) if total else []


def _objects(record: Mapping[str, Any]) -> list[Any]:
    return [annotation for annotation in record.get("annotations", ()) if not annotation.get("iscrowd", 0)]


def _has_area(annotation: Mapping[str, Any]) -> bool:
    mode, box = BoxMode(annotation["bbox_mode"]), [float(value) for value in annotation["bbox"]]
    if mode in (BoxMode.XYXY_ABS, BoxMode.XYXY_REL):
        return box[2] > box[0] and box[3] > box[1]
    return box[2] > 0 and box[3] > 0


def _size(record: Mapping[str, Any]) -> tuple[int, int]:
    if record.get("height") and record.get("width"):
        return int(record["height"]), int(record["width"])
    return image_size_of_file(record["file_name"])


def _small_object(records: Sequence[Mapping[str, Any]], sizes: np.ndarray) -> float:
    relative = []
    for record, (height, width) in zip(records, sizes, strict=True):
        for annotation in _objects(record):
            box = BoxMode.convert(
                [float(value) for value in annotation["bbox"]],
                BoxMode(annotation["bbox_mode"]),
                BoxMode.XYWH_ABS,
                (int(height), int(width)),
            )
            relative.append((max(box[2], 0.0) * max(box[3], 0.0)) ** 0.5 / max(min(height, width), 1))
    return float(np.percentile(relative, _SMALL_PERCENTILE)) if relative else 0.1
