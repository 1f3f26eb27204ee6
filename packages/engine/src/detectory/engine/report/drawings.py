"""Drawings of annotated images and of model outputs."""

from typing import Any

import numpy as np

from detectory.data.images import read_image
from detectory.engine.inference.predictor import instances_of
from detectory.structures.model_formats import ModelOutput
from detectory.structures.records import DatasetRecord
from detectory.visualization import VisImage, Visualizer


def draw_annotations(record: DatasetRecord, metadata: Any, max_side: int | None = None) -> VisImage:
    """Draw the boxes, masks, keypoints, semantic labels or panoptic segments of a record.

    Args:
        record: A record in the standard dataset format.
        metadata: Metadata of the dataset, or any object with class names.
        max_side: Maximum length of the longer side, in pixels; larger images are scaled down. None keeps their size.

    Raises:
        OSError: If the image cannot be read.
        ValueError: If an annotation cannot be drawn; the message names the image file.
    """
    image = read_rgb(record["file_name"])
    scale = 1.0 if max_side is None else min(1.0, max_side / max(image.shape[:2]))
    try:
        return Visualizer(image, metadata, scale=scale).draw_dataset_dict(_with_uniform_masks(record))
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ValueError(f"{record['file_name']}: annotations cannot be drawn: {error}") from error


def draw_outputs(visualizer: Visualizer, outputs: ModelOutput, threshold: float) -> VisImage:
    """Draw the panoptic segmentation if present, or else the semantic segmentation and the instances."""
    if "panoptic_seg" in outputs:
        ids, segments = outputs["panoptic_seg"]
        return visualizer.draw_panoptic_seg_predictions(ids.cpu(), segments)
    if "sem_seg" in outputs:
        visualizer.draw_sem_seg(outputs["sem_seg"].argmax(dim=0).cpu())
    if "instances" in outputs:
        visualizer.draw_instance_predictions(instances_of(outputs, threshold))
    return visualizer.output


def read_rgb(path: str) -> np.ndarray:
    """Read an image of any type as `(H, W, 3)` uint8; see `to_rgb`."""
    pixels = read_image(path, None)
    return to_rgb(pixels if pixels.ndim == 3 else pixels[:, :, None])


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


def _with_uniform_masks(record: DatasetRecord) -> DatasetRecord:
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
