"""Transformation of annotations with points and their conversion to `Instances`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from detectory.data import mapping
from detectory.data.transforms import Transform, TransformList
from detectory.structures import Instances

__all__ = ["annotations_to_instances", "transform_instance_annotations"]


def transform_instance_annotations(
    annotation: dict[str, Any],
    transforms: TransformList | Sequence[Transform],
    image_size: tuple[int, int],
) -> dict[str, Any]:
    """Apply transforms to the box and the points of one object.

    Args:
        annotation: The annotation, modified in place. `point_coords` `(P, 2)` are indices (x, y) of pixels,
            `point_labels` `(P,)` are 1 on the object and 0 on the background.
        transforms: The transforms that were applied to the image.
        image_size: `(height, width)` of the transformed image.

    Returns:
        The annotation: `point_coords` are coordinates of the pixels' centers, float64 of shape (P, 2); `point_labels`,
        int64 of shape (P,), are -1 for points outside the image.

    Raises:
        ValueError: If a field is missing, is not finite, or points and labels differ in number.
    """
    for field in ("point_coords", "point_labels"):
        if field not in annotation:
            raise ValueError(
                f"the annotation has no '{field}'. Add points with python -m detectory.projects.point_sup.prepare"
            )
    points = np.asarray(annotation["point_coords"], dtype=np.float64).reshape(-1, 2)
    labels = np.array(annotation["point_labels"], dtype=np.int64)
    if not np.isfinite(points).all():
        raise ValueError("point_coords must be finite")
    if labels.shape != points.shape[:1] or not np.isin(labels, (-1, 0, 1)).all():
        raise ValueError(f"point_labels must be {len(points)} values of -1, 0 and 1, got {labels.tolist()}")
    fields: Any = {key: value for key, value in annotation.items() if key not in ("segmentation", "keypoints")}
    if not isinstance(transforms, TransformList):
        transforms = TransformList(list(transforms))
    annotation.update(mapping.transform_instance_annotations(fields, transforms, image_size))
    points = transforms.apply_coords(points + 0.5)
    height, width = image_size
    labels[((points < 0) | (points > [width, height])).any(axis=1)] = -1
    annotation["point_coords"], annotation["point_labels"] = points, labels
    return annotation


def annotations_to_instances(
    annotations: Sequence[Any], image_size: tuple[int, int], sample_points: int = 0
) -> Instances:
    """Convert transformed annotations of one image to the ground truth of a model input.

    Args:
        annotations: Results of `transform_instance_annotations`; all objects must have the same number of points.
        image_size: `(height, width)` of the image.
        sample_points: Number of points drawn for each object without replacement; 0 keeps all points.

    Returns:
        `Instances` with `gt_boxes`, `gt_classes`, `gt_point_coords` `(N, P, 2)`, float32, and `gt_point_labels`
        `(N, P)`, float32.

    Raises:
        ValueError: If objects have different numbers of points, or fewer than `sample_points`.
    """
    boxes: list[Any] = [{key: one[key] for key in ("bbox", "bbox_mode", "category_id")} for one in annotations]
    target = mapping.annotations_to_instances(boxes, image_size)
    counts = sorted({len(one["point_labels"]) for one in annotations})
    if len(counts) > 1:
        raise ValueError(f"point_coords: all objects must have the same number of points, got {counts}")
    if counts and counts[0] < sample_points:
        raise ValueError(f"point_coords: sample_points must be at most {counts[0]}, got {sample_points}")
    count = sample_points or (counts[0] if counts else 0)
    points = np.zeros((len(annotations), count, 2), dtype=np.float32)
    labels = np.zeros((len(annotations), count), dtype=np.float32)
    for index, one in enumerate(annotations):
        chosen = np.random.choice(counts[0], count, replace=False) if sample_points else slice(None)
        points[index], labels[index] = one["point_coords"][chosen], one["point_labels"][chosen]
    target.gt_point_coords = torch.from_numpy(points)
    target.gt_point_labels = torch.from_numpy(labels)
    return target
