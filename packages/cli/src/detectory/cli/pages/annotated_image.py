"""Drawings of dataset records: images with their annotations."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from detectory.data.catalog import Metadata
    from detectory.structures.records import DatasetRecord
    from detectory.visualization import VisImage


def draw_annotations(record: "DatasetRecord", metadata: "Metadata", max_side: int | None = None) -> "VisImage":
    """Draw the boxes, masks, keypoints, semantic labels or panoptic segments of a record.

    Args:
        record: A record in the standard dataset format.
        metadata: Metadata of the dataset.
        max_side: Maximum length of the longer side, in pixels; larger images are scaled down. None keeps their size.

    Raises:
        OSError: If the image cannot be read.
        ValueError: If an annotation cannot be drawn; the message names the image file.
    """
    from detectory.data.images import read_image
    from detectory.visualization import Visualizer

    pixels = read_image(record["file_name"], None)
    image = to_rgb(pixels if pixels.ndim == 3 else pixels[:, :, None])
    scale = 1.0 if max_side is None else min(1.0, max_side / max(image.shape[:2]))
    try:
        return Visualizer(image, metadata, scale=scale).draw_dataset_dict(_with_uniform_masks(record))
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ValueError(f"{record['file_name']}: annotations cannot be drawn: {error}") from error


def to_rgb(image: np.ndarray) -> np.ndarray:
    """Convert an image `(H, W, C)` of any type to `(H, W, 3)` uint8.

    A single channel becomes grey; of more than three channels the first three are used. Types other than uint8 are
    scaled so that the 1st and 99th percentiles become 0 and 255.
    """
    channels = image[:, :, :3] if image.shape[2] >= 3 else np.repeat(image[:, :, :1], 3, axis=2)
    if channels.dtype == np.uint8:
        return channels
    values = np.nan_to_num(channels.astype(np.float64))
    low, high = np.percentile(values, [1, 99])
    return ((values - low) / max(high - low, 1e-12) * 255).clip(0, 255).astype(np.uint8)


def _with_uniform_masks(record: "DatasetRecord") -> "DatasetRecord":
    """Add empty masks to annotations without one if others have masks; `Visualizer` needs all masks or none."""
    annotations = record.get("annotations") or []
    if not any(annotation.get("segmentation") for annotation in annotations):
        return record
    return {
        **record,
        "annotations": [
            {**annotation, "segmentation": annotation.get("segmentation") or []} for annotation in annotations
        ],
    }
