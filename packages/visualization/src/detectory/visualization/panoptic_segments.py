"""Segments of a panoptic segmentation, from segment information or from segment ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectory.structures import SegmentInfo


@dataclass(frozen=True)
class Segment:
    """One segment of a panoptic segmentation.

    Args:
        id: The value of its pixels in the id image.
        category_id: Contiguous class id, among the things if `is_thing`, else among the stuff.
        is_thing: Whether the class is a thing rather than stuff.
        index_in_class: Zero-based index among the segments of the same class.
        area: Number of pixels.
        score: Confidence of a prediction in [0, 1], or None.
        is_crowd: Whether the segment is a COCO crowd region.
    """

    id: int
    category_id: int
    is_thing: bool
    index_in_class: int
    area: int
    score: float | None
    is_crowd: bool


def panoptic_segments(ids: np.ndarray, segments_info: Sequence[SegmentInfo] | None, metadata: Any) -> list[Segment]:
    """Return the segments of an id image.

    Args:
        ids: (H, W) segment ids.
        segments_info: The segments; if None, each id is a segment of the class `id // metadata.label_divisor`.
        metadata: An object with `label_divisor` and `thing_dataset_id_to_contiguous_id`; unused if `segments_info` is
            not None.

    Raises:
        ValueError: If `segments_info` is None and `metadata` has no `label_divisor`.
    """
    unique_ids, areas = np.unique(ids, return_counts=True)
    area_of = dict(zip(unique_ids.tolist(), areas.tolist(), strict=True))
    if segments_info is None:
        segments_info = _segments_of_ids(unique_ids.tolist(), metadata)
    last_index: dict[tuple[bool, int], int] = {}
    segments = []
    for info in segments_info:
        category, is_thing = int(info["category_id"]), bool(info.get("isthing", True))
        index = last_index[is_thing, category] = last_index.get((is_thing, category), -1) + 1
        area = area_of.get(int(info["id"]), 0)
        crowd = bool(info.get("iscrowd", False))
        segments.append(Segment(int(info["id"]), category, is_thing, index, area, info.get("score"), crowd))
    return segments


def _segments_of_ids(ids: Sequence[int], metadata: Any) -> list[SegmentInfo]:
    divisor = getattr(metadata, "label_divisor", None)
    if divisor is None:
        raise ValueError("draw_panoptic_seg: metadata must have label_divisor if segments_info is None")
    things = set(getattr(metadata, "thing_dataset_id_to_contiguous_id", {}).values())
    categories = {i: i // divisor for i in ids if i >= 0}
    return [{"id": i, "category_id": category, "isthing": category in things} for i, category in categories.items()]
