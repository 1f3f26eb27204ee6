"""Draws the annotations of dataset dicts on their images."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from detectory.data.catalog import Metadata
    from detectory.visualization import VisImage


def drawn_record(record: dict[str, Any], metadata: "Metadata", longest: int | None = None) -> "VisImage":
    """Draw boxes, masks, keypoints, semantic labels or panoptic segments of a record.

    Args:
        record: Of the standard format.
        metadata: Of its dataset.
        longest: The longer side of the picture in pixels; larger images are drawn smaller. None keeps their size.

    Raises:
        OSError, ValueError: The image cannot be read, or an annotation cannot be drawn; the message names the file.
    """
    from detectory.data.images import read_image
    from detectory.visualization import Visualizer

    image = read_image(record["file_name"], None)
    picture = visible(image if image.ndim == 3 else image[:, :, None])
    scale = 1.0 if longest is None else min(1.0, longest / max(picture.shape[:2]))
    try:
        return Visualizer(picture, metadata, scale=scale).draw_dataset_dict(_drawable(record))
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ValueError(f"{record['file_name']}: its annotations cannot be drawn: {error}") from error


def visible(image: np.ndarray) -> np.ndarray:
    """Turn `(H, W, C)` of any kind into `(H, W, 3)` uint8.

    One channel becomes grey, of more than three the first three are shown; other types than uint8 are stretched from
    their first to their 99th percentile.
    """
    channels = image[:, :, :3] if image.shape[2] >= 3 else np.repeat(image[:, :, :1], 3, axis=2)
    if channels.dtype == np.uint8:
        return channels
    values = np.nan_to_num(channels.astype(np.float64))
    low, high = np.percentile(values, [1, 99])
    return ((values - low) / max(high - low, 1e-12) * 255).clip(0, 255).astype(np.uint8)


def _drawable(record: dict[str, Any]) -> dict[str, Any]:
    """Annotations with masks, else those without, whole: a visualizer draws what all of them have."""
    annotations = record.get("annotations") or []
    if not annotations or all(one.get("segmentation") for one in annotations):
        return record
    return {**record, "annotations": [_with_outline(one) for one in annotations] if _some(annotations) else annotations}


def _some(annotations: list[dict[str, Any]]) -> bool:
    return any(one.get("segmentation") for one in annotations)


def _with_outline(annotation: dict[str, Any]) -> dict[str, Any]:
    """Give an annotation without mask an empty one, so that the others' are drawn."""
    return annotation if annotation.get("segmentation") else {**annotation, "segmentation": []}
