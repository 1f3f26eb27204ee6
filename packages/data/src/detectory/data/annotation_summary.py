"""Summary of the annotations of a dataset: classes, masks and keypoints, for checks before training."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .formats.coco.index import CocoIndex


@dataclass
class AnnotationSummary:
    """Numbers of objects, without crowd regions.

    Args:
        categories: By category id.
        masks: By type of mask: `"none"`, `"polygons"` or `"rle"` (also bitmaps).
        keypoints: By number of keypoints.
    """

    categories: Counter[int] = field(default_factory=Counter)
    masks: Counter[str] = field(default_factory=Counter)
    keypoints: Counter[int] = field(default_factory=Counter)

    @property
    def objects(self) -> int:
        """The number of objects."""
        return self.masks.total()


def mask_type(annotation: dict[str, Any]) -> str:
    """Return the type of an annotation's mask: `"none"`, `"polygons"` or `"rle"`."""
    segmentation = annotation.get("segmentation")
    if segmentation is None or len(segmentation) == 0:
        return "none"
    return "polygons" if isinstance(segmentation, list) else "rle"


def num_keypoints(annotation: dict[str, Any]) -> int:
    """Return the number of keypoints of an annotation."""
    return int(np.size(annotation.get("keypoints", ()))) // 3


def summarize_annotations(records: Iterable[dict[str, Any]]) -> AnnotationSummary:
    """Count the objects of records; memory-mapped records are not created."""
    if isinstance(records, CocoIndex):
        counts = {category: count for category, count in records.category_counts().items() if count}
        return AnnotationSummary(Counter(counts), *records.contents())
    summary = AnnotationSummary()
    for annotation in _objects(records):
        summary.categories[int(annotation["category_id"])] += 1
        summary.masks[mask_type(annotation)] += 1
        summary.keypoints[num_keypoints(annotation)] += 1
    return summary


def find_object(records: Sequence[dict[str, Any]], matches: Callable[[dict[str, Any]], bool]) -> str:
    """Describe the first object for which `matches` returns true by image and position, for error messages."""
    for record in records:
        for position, annotation in enumerate(record.get("annotations", [])):
            if not annotation.get("iscrowd", 0) and matches(annotation):
                return f"object {position} of {record.get('file_name')} (image id {record.get('image_id')!r})"
    return "no object"


def _objects(records: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for record in records:
        for annotation in record.get("annotations", ()):
            if not annotation.get("iscrowd", 0):
                yield annotation
