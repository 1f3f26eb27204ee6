"""Segments of a panoptic segmentation, ids of its PNG files, and texts of labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectory.structures.records import SegmentInfo


@dataclass(frozen=True)
class Segment:
    """One segment of a panoptic segmentation.

    Args:
        id: Its value in the id image.
        category_id: Contiguous class id, of things or of stuff.
        is_thing: Which of the two.
        number: Its position among the segments of its class, from 0.
        area: In pixels.
        score: Of the prediction, or None.
        is_crowd: Whether it is a group of objects.
    """

    id: int
    category_id: int
    is_thing: bool
    number: int
    area: int
    score: float | None
    is_crowd: bool


def panoptic_segments(ids: np.ndarray, segments_info: Sequence[SegmentInfo] | None, metadata: Any) -> list[Segment]:
    """Return the segments of an id image (H, W); `segments_info` as `Visualizer.draw_panoptic_seg` takes it.

    Raises:
        ValueError: If `segments_info` is None and `metadata` has no `label_divisor`.
    """
    unique_ids, areas = np.unique(ids, return_counts=True)
    area_of = dict(zip(unique_ids.tolist(), areas.tolist(), strict=True))
    if segments_info is None:
        segments_info = _segments_of_ids(unique_ids.tolist(), metadata)
    numbers: dict[tuple[bool, int], int] = {}
    segments = []
    for info in segments_info:
        category, is_thing = int(info["category_id"]), bool(info.get("isthing", True))
        number = numbers[is_thing, category] = numbers.get((is_thing, category), -1) + 1
        area = area_of.get(int(info["id"]), 0)
        crowd = bool(info.get("iscrowd", False))
        segments.append(Segment(int(info["id"]), category, is_thing, number, area, info.get("score"), crowd))
    return segments


def rgb_to_ids(image: np.ndarray) -> np.ndarray:
    """Read the ids of COCO's panoptic PNG files: red + 256 green + 65536 blue.

    Args:
        image: (H, W, 3) uint8.

    Returns:
        (H, W) int32.
    """
    channels = image.astype(np.int32)
    return channels[..., 0] + 256 * channels[..., 1] + 65536 * channels[..., 2]


def class_labels(
    classes: Sequence[int] | None,
    scores: Sequence[float] | None,
    names: Sequence[str] | None,
    crowds: Sequence[bool] | None = None,
) -> list[str] | None:
    """Return texts such as "person 98%", "3 71%", "98%" or "person | crowd"; None without classes and scores."""
    count = len(classes) if classes is not None else len(scores) if scores is not None else 0
    if classes is None and scores is None:
        return None
    texts = []
    for index in range(count):
        parts = []
        if classes is not None:
            category = int(classes[index])
            parts.append(str(names[category]) if names is not None and 0 <= category < len(names) else str(category))
        if scores is not None:
            parts.append(f"{scores[index] * 100:.0f}%")
        if crowds is not None and crowds[index]:
            parts.append("| crowd")
        texts.append(" ".join(parts))
    return texts


def _segments_of_ids(ids: Sequence[int], metadata: Any) -> list[SegmentInfo]:
    divisor = getattr(metadata, "label_divisor", None)
    if divisor is None:
        raise ValueError("draw_panoptic_seg: without segments_info the metadata must have a label_divisor")
    things = set(getattr(metadata, "thing_dataset_id_to_contiguous_id", {}).values())
    categories = {i: i // divisor for i in ids if i >= 0}
    return [{"id": i, "category_id": category, "isthing": category in things} for i, category in categories.items()]
