"""Transformation of all annotations of an image in a few array operations."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from detectory.data.transforms import Transform, TransformList
from detectory.structures import Annotation, BoxMode

from .annotations import get_bbox, transform_instance_annotations


def transform_all_annotations(
    annotations: Sequence[Annotation],
    transforms: TransformList,
    image_size: tuple[int, int],
    *,
    keypoint_hflip_indices: Sequence[int] | np.ndarray | None = None,
) -> list[Annotation]:
    """Apply `transform_instance_annotations` to all annotations of an image, vectorised.

    All boxes pass through each transform in one array, and so do all polygons unless a transform clips polygons, which
    can change the number of polygons per object.

    Args:
        annotations: The annotations, modified in place.
        transforms: The transforms that were applied to the image.
        image_size: `(height, width)` of the transformed image.
        keypoint_hflip_indices: See `create_keypoint_hflip_indices`.

    Returns:
        The annotations.

    Raises:
        ValueError: If an annotation is invalid; the message contains the annotation.
    """
    try:
        boxes = _boxes(annotations)
        if not np.isfinite(boxes).all():
            raise ValueError("boxes must be finite")
        polygons = _flat_polygons(annotations, transforms)
    except (ValueError, TypeError, KeyError):
        # At least one annotation is invalid: transform them one by one to report which.
        return [_transform_one(a, transforms, image_size, keypoint_hflip_indices) for a in annotations]
    for annotation, segmentation in zip(annotations, polygons, strict=True):
        names = ["segmentation", "keypoints"]
        rest: dict[str, Any] = {name: value for name, value in annotation.items() if name in names}
        if segmentation is not None:
            annotation["segmentation"] = segmentation
            rest.pop("segmentation", None)
        if rest:
            # A dummy box; the boxes of all annotations are transformed below.
            dummy: Any = {"bbox": [0, 0, 0, 0], "bbox_mode": BoxMode.XYXY_ABS, **rest}
            transformed: Any = _transform_one(dummy, transforms, image_size, keypoint_hflip_indices, annotation)
            updates: Any = {key: transformed[key] for key in rest}
            annotation.update(updates)
    if len(boxes):
        height, width = image_size
        boxes = np.minimum(transforms.apply_box(boxes).clip(min=0), [width, height, width, height])
        for annotation, box in zip(annotations, boxes, strict=True):
            annotation["bbox"], annotation["bbox_mode"] = box, BoxMode.XYXY_ABS
    return list(annotations)


def _boxes(annotations: Sequence[Annotation]) -> np.ndarray:
    """Return all boxes as corners of shape (N, 4), converted in one call if they have the same format."""
    modes = {annotation["bbox_mode"] for annotation in annotations}
    if len(modes) == 1 and BoxMode.XYWHA_ABS not in modes:
        boxes = np.array([annotation["bbox"] for annotation in annotations], dtype=np.float64)
        return BoxMode.convert(boxes, modes.pop(), BoxMode.XYXY_ABS)
    return np.array([get_bbox(annotation) for annotation in annotations], dtype=np.float64).reshape(-1, 4)


def _transform_one(
    annotation: Annotation,
    transforms: TransformList,
    image_size: tuple[int, int],
    keypoint_hflip_indices: Sequence[int] | np.ndarray | None,
    reported: Annotation | None = None,
) -> Annotation:
    """Transform one annotation. Errors contain `reported`, by default the original annotation, on one line."""
    reported = annotation.copy() if reported is None else reported
    try:
        return transform_instance_annotations(
            annotation, transforms, image_size, keypoint_hflip_indices=keypoint_hflip_indices
        )
    except (ValueError, TypeError, KeyError, IndexError) as error:
        text = " ".join(repr(reported).split())
        raise ValueError(f"invalid annotation {text if len(text) <= 300 else f'{text[:300]}…'}: {error}") from error


def _flat_polygons(annotations: Sequence[Annotation], transforms: TransformList) -> list[list[np.ndarray] | None]:
    """Transform all polygons in one call. The entry of an object is None if it must be transformed on its own."""
    if any(type(transform).apply_polygons is not Transform.apply_polygons for transform in transforms.transforms):
        return [None] * len(annotations)
    polygons, owners = [], []
    for index, annotation in enumerate(annotations):
        segmentation = annotation.get("segmentation")
        if isinstance(segmentation, list):
            polygons += [np.asarray(polygon, dtype=np.float64).reshape(-1, 2) for polygon in segmentation]
            owners += [index] * len(segmentation)
    if polygons and not np.isfinite(np.concatenate(polygons)).all():
        raise ValueError("polygons must be finite")
    result: list[list[np.ndarray] | None] = [
        [] if isinstance(annotation.get("segmentation"), list) else None for annotation in annotations
    ]
    for owner, polygon in zip(owners, transforms.apply_polygons(polygons), strict=True):
        result[owner].append(polygon.reshape(-1))  # type: ignore[union-attr]
    return result
