"""Transform the annotations of a whole image at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from detectory.data.transforms import Transform, TransformList
from detectory.structures import BoxMode

from .annotations import get_bbox, transform_instance_annotations


def transform_all_annotations(
    annotations: Sequence[dict[str, Any]],
    transforms: TransformList,
    image_size: tuple[int, int],
    *,
    keypoint_hflip_indices: Sequence[int] | np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """Do what `transform_instance_annotations` does for all instances of an image, with few calls.

    Boxes, and polygons where no transform cuts them, go through each transform in one array.

    Args:
        annotations: Dicts of the standard format, changed in place.
        transforms: What was applied to the image.
        image_size: `(height, width)` of the transformed image.
        keypoint_hflip_indices: See `create_keypoint_hflip_indices`.

    Returns:
        The dicts.

    Raises:
        ValueError: An annotation is bad; the message shows it.
    """
    try:
        boxes = _boxes(annotations)
        if not np.isfinite(boxes).all():
            raise ValueError("a box is not finite")
        polygons = _flat_polygons(annotations, transforms)
    except (ValueError, TypeError, KeyError):
        # One of them is bad; going one by one finds out which.
        return [_alone(one, transforms, image_size, keypoint_hflip_indices) for one in annotations]
    for annotation, segmentation in zip(annotations, polygons, strict=True):
        names = ["segmentation", "keypoints"]
        rest = {name: annotation[name] for name in names if name in annotation}
        if segmentation is not None:
            annotation["segmentation"] = segmentation
            rest.pop("segmentation", None)
        if rest:
            # The box is dealt with below; any box will do here.
            moved = _alone(
                {"bbox": [0, 0, 0, 0], "bbox_mode": 0, **rest},
                transforms,
                image_size,
                keypoint_hflip_indices,
                annotation,
            )
            annotation.update({key: moved[key] for key in rest})
    if len(boxes):
        height, width = image_size
        moved_boxes = transforms.apply_box(boxes).clip(min=0)
        for annotation, box in zip(annotations, np.minimum(moved_boxes, [width, height, width, height]), strict=True):
            annotation["bbox"], annotation["bbox_mode"] = box, BoxMode.XYXY_ABS
    return list(annotations)


def _boxes(annotations: Sequence[dict[str, Any]]) -> np.ndarray:
    """All boxes as `(N, 4)` corners, converted in one call where they are written alike."""
    modes = {annotation["bbox_mode"] for annotation in annotations}
    if len(modes) == 1 and BoxMode.XYWHA_ABS not in modes:
        boxes = np.array([annotation["bbox"] for annotation in annotations], dtype=np.float64)
        return BoxMode.convert(boxes, modes.pop(), BoxMode.XYXY_ABS)
    return np.array([get_bbox(annotation) for annotation in annotations], dtype=np.float64).reshape(-1, 4)


def _alone(
    annotation: dict[str, Any],
    transforms: TransformList,
    image_size: tuple[int, int],
    keypoint_hflip_indices: Sequence[int] | np.ndarray | None,
    shown: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Transform one instance; an error shows it, or the annotation that it is a part of, on one line."""
    shown = dict(annotation) if shown is None else shown
    try:
        return transform_instance_annotations(
            annotation, transforms, image_size, keypoint_hflip_indices=keypoint_hflip_indices
        )
    except (ValueError, TypeError, KeyError, IndexError) as error:
        text = " ".join(repr(shown).split())
        raise ValueError(f"bad annotation {text if len(text) <= 300 else f'{text[:300]}…'}: {error}") from error


def _flat_polygons(annotations: Sequence[dict[str, Any]], transforms: TransformList) -> list[list[np.ndarray] | None]:
    """Move all polygons in one call; None for an instance that has none or whose polygons may be cut."""
    if any(type(transform).apply_polygons is not Transform.apply_polygons for transform in transforms.transforms):
        return [None] * len(annotations)
    polygons, owners = [], []
    for number, annotation in enumerate(annotations):
        segmentation = annotation.get("segmentation")
        if isinstance(segmentation, list):
            polygons += [np.asarray(polygon, dtype=np.float64).reshape(-1, 2) for polygon in segmentation]
            owners += [number] * len(segmentation)
    if polygons and not np.isfinite(np.concatenate(polygons)).all():
        raise ValueError("a polygon is not finite")
    result: list[list[np.ndarray] | None] = [
        [] if isinstance(annotation.get("segmentation"), list) else None for annotation in annotations
    ]
    for owner, moved in zip(owners, transforms.apply_polygons(polygons), strict=True):
        result[owner].append(moved.reshape(-1))  # type: ignore[union-attr]
    return result
