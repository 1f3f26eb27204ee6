"""Transformation of annotations and their conversion to `Instances`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from detectory.data.images import reading
from detectory.data.transforms import CropTransform, Transform, TransformList
from detectory.structures import (
    Annotation,
    BitMasks,
    Boxes,
    BoxMode,
    Instances,
    Keypoints,
    PolygonMasks,
    RotatedBoxes,
    polygons_to_bitmask,
    rle_to_bitmask,
)

from .keypoints import transform_keypoint_annotations


def get_bbox(annotation: Annotation) -> list[float]:
    """Return the box of an annotation as `[x1, y1, x2, y2]`; for a rotated box, its axis-aligned bounding box."""
    return BoxMode.convert(list(annotation["bbox"]), annotation["bbox_mode"], BoxMode.XYXY_ABS)


def transform_instance_annotations(
    annotation: Annotation,
    transforms: TransformList | Sequence[Transform],
    image_size: tuple[int, int],
    *,
    keypoint_hflip_indices: Sequence[int] | np.ndarray | None = None,
) -> Annotation:
    """Apply transforms to the box, the segmentation and the keypoints of one object.

    Boxes are clipped to the image. Polygons are transformed as coordinates; RLE masks are decoded and transformed as
    bitmaps.

    Args:
        annotation: The annotation, modified in place.
        transforms: The transforms that were applied to the image.
        image_size: `(height, width)` of the transformed image.
        keypoint_hflip_indices: See `create_keypoint_hflip_indices`.

    Returns:
        The annotation: `bbox` is an array `(x1, y1, x2, y2)`, `bbox_mode` is `XYXY_ABS`, `segmentation` a list of flat
        arrays or a mask of shape (H, W), `keypoints` an array of shape (K, 3).

    Raises:
        ValueError: If a coordinate is not finite, or a mask does not match the image or is too large.
        TypeError: If the type of the segmentation is not supported.
    """
    if not isinstance(transforms, TransformList):
        transforms = TransformList([transforms] if isinstance(transforms, Transform) else list(transforms))
    original = np.array([get_bbox(annotation)], dtype=np.float64)
    if not np.isfinite(original).all():
        raise ValueError(f"bbox must be finite, got {annotation['bbox']}")
    box = transforms.apply_box(original)[0].clip(min=0)
    height, width = image_size
    annotation["bbox"] = np.minimum(box, [width, height, width, height])
    annotation["bbox_mode"] = BoxMode.XYXY_ABS
    if "segmentation" in annotation:
        annotation["segmentation"] = _transformed_segmentation(annotation["segmentation"], transforms, image_size)
    if "keypoints" in annotation:
        annotation["keypoints"] = transform_keypoint_annotations(
            annotation["keypoints"], transforms, image_size, keypoint_hflip_indices
        )
    return annotation


def _transformed_segmentation(segmentation: Any, transforms: TransformList, image_size: tuple[int, int]) -> Any:
    if isinstance(segmentation, list):
        polygons = [np.asarray(polygon, dtype=np.float64).reshape(-1, 2) for polygon in segmentation]
        if not all(np.isfinite(polygon).all() for polygon in polygons):
            raise ValueError("segmentation: coordinates of polygons must be finite")
        return [polygon.reshape(-1) for polygon in transforms.apply_polygons(polygons)]
    if isinstance(segmentation, (dict, np.ndarray)):
        mask = _decoded(segmentation) if isinstance(segmentation, dict) else segmentation
        mask = transforms.apply_segmentation(mask)
        if tuple(mask.shape[:2]) != tuple(image_size):
            raise ValueError(
                f"segmentation: mask must be {image_size} (height, width) after the transforms, got {mask.shape[:2]}"
            )
        return mask
    raise TypeError(
        "segmentation must be a list of polygons, an RLE dict or an array of shape (H, W), "
        f"got {type(segmentation).__name__}"
    )


def _decoded(rle: dict[str, Any]) -> np.ndarray:
    """Decode an RLE mask to uint8, which Pillow can resize, unlike bool."""
    return rle_to_bitmask(rle, reading.MAX_PIXELS).view(np.uint8)


def annotations_to_instances(
    annos: Sequence[Annotation], image_size: tuple[int, int], mask_format: str = "polygon"
) -> Instances:
    """Convert the annotations of one image to the ground truth of a model input.

    Args:
        annos: Annotations, usually from `transform_instance_annotations`.
        image_size: `(height, width)` of the image.
        mask_format: `"polygon"`, or `"bitmask"`, which also supports RLE dicts and arrays of shape (H, W).

    Returns:
        `Instances` with `gt_boxes` (`Boxes`), `gt_classes` (int64) and, if the annotations have them, `gt_masks`
        (`PolygonMasks` or `BitMasks`) and `gt_keypoints` (`Keypoints`).

    Raises:
        ValueError: If `mask_format` is invalid or does not support a segmentation.
    """
    boxes = np.array([get_bbox(annotation) for annotation in annos], dtype=np.float32).reshape(-1, 4)
    target = Instances(image_size)
    target.gt_boxes = Boxes(torch.from_numpy(boxes))
    target.gt_classes = torch.tensor([int(annotation["category_id"]) for annotation in annos], dtype=torch.int64)
    if has_field(annos, "segmentation"):
        segmentations = [annotation["segmentation"] for annotation in annos]
        target.gt_masks = _masks(segmentations, image_size, mask_format)
    if any("keypoints" in annotation for annotation in annos):
        target.gt_keypoints = Keypoints(torch.from_numpy(_keypoints(annos)))
    return target


def has_field(annos: Sequence[Annotation], field: str) -> bool:
    """Return whether annotations have a field.

    Raises:
        ValueError: If only some of them have it.
    """
    without = [index for index, annotation in enumerate(annos) if field not in annotation]
    if without and len(without) < len(annos):
        raise ValueError(
            f"{len(without)} of {len(annos)} objects have no '{field}', the first is object {without[0]}. "
            f"Add it, or load the dataset without this field"
        )
    return bool(annos) and not without


def _keypoints(annos: Sequence[Annotation]) -> np.ndarray:
    """Return float32 of shape (N, K, 3); objects without keypoints have K keypoints with visibility 0."""
    points = [np.asarray(annotation.get("keypoints", ()), dtype=np.float32).reshape(-1, 3) for annotation in annos]
    counts = sorted({len(item) for item in points if len(item)})
    if len(counts) > 1:
        raise ValueError(f"keypoints: all objects must have the same number of keypoints, got {counts}")
    shape = counts[0] if counts else 0, 3
    return np.stack([item if len(item) else np.zeros(shape, np.float32) for item in points])


def _masks(segmentations: list[Any], image_size: tuple[int, int], mask_format: str) -> PolygonMasks | BitMasks:
    if mask_format == "polygon":
        for segmentation in segmentations:
            if not isinstance(segmentation, list):
                raise ValueError(
                    "annotations_to_instances: mask_format='polygon' requires polygons, got "
                    f"{type(segmentation).__name__}. Use mask_format='bitmask' for RLE and bitmaps"
                )
        return PolygonMasks(segmentations)
    if mask_format != "bitmask":
        raise ValueError(f"annotations_to_instances: mask_format must be 'polygon' or 'bitmask', got {mask_format!r}")
    masks = [_bitmask(segmentation, image_size) for segmentation in segmentations]
    return BitMasks(torch.stack([torch.from_numpy(np.ascontiguousarray(mask)) for mask in masks]).bool())


def _bitmask(segmentation: Any, image_size: tuple[int, int]) -> np.ndarray:
    if isinstance(segmentation, list):
        return np.asarray(polygons_to_bitmask(segmentation, *image_size))
    if isinstance(segmentation, dict):
        return _decoded(segmentation)
    if isinstance(segmentation, np.ndarray) and segmentation.ndim == 2:
        return segmentation
    got = f"shape {segmentation.shape}" if isinstance(segmentation, np.ndarray) else type(segmentation).__name__
    raise ValueError(
        f"annotations_to_instances: segmentation must be polygons, an RLE dict or an array of shape (H, W), got {got}"
    )


def annotations_to_instances_rotated(annos: Sequence[Annotation], image_size: tuple[int, int]) -> Instances:
    """Convert annotations with rotated boxes to the ground truth of a model input.

    Args:
        annos: Annotations with `bbox` as `(x_center, y_center, width, height, angle)` in pixels and degrees.
        image_size: `(height, width)` of the image.

    Returns:
        `Instances` with `gt_boxes` (`RotatedBoxes`, clipped to the image) and `gt_classes` (int64).
    """
    boxes = np.array([annotation["bbox"] for annotation in annos], dtype=np.float32).reshape(-1, 5)
    target = Instances(image_size)
    target.gt_boxes = RotatedBoxes(torch.from_numpy(boxes))
    target.gt_boxes.clip(image_size)
    target.gt_classes = torch.tensor([int(annotation["category_id"]) for annotation in annos], dtype=torch.int64)
    return target


def filter_empty_instances(
    instances: Instances,
    by_box: bool = True,
    by_mask: bool = True,
    box_threshold: float = 1e-5,
    return_mask: bool = False,
) -> Any:
    """Remove objects with an empty box or mask.

    Args:
        instances: `Instances` with `gt_boxes` and optionally `gt_masks`.
        by_box: Whether to remove objects with a side not longer than `box_threshold`.
        by_mask: Whether to remove objects with an empty mask.
        box_threshold: The threshold in pixels.
        return_mask: Whether to also return which objects were kept.

    Returns:
        The remaining objects; with `return_mask` also a bool tensor of shape (N,).

    Raises:
        ValueError: If both `by_box` and `by_mask` are false.
    """
    if not by_box and not by_mask:
        raise ValueError("filter_empty_instances: by_box or by_mask must be true")
    kept = torch.ones(len(instances), dtype=torch.bool)
    if by_box:
        kept &= instances.gt_boxes.nonempty(threshold=box_threshold)
    if by_mask and instances.has("gt_masks"):
        kept &= instances.gt_masks.nonempty()
    return (instances[kept], kept) if return_mask else instances[kept]


def gen_crop_transform_with_instance(
    crop_size: tuple[int, int], image_size: tuple[int, int], instance: Annotation
) -> CropTransform:
    """Return a random crop that contains the centre of an object.

    Args:
        crop_size: `(height, width)` of the crop, not larger than the image.
        image_size: `(height, width)` of the image.
        instance: The annotation of the object.

    Raises:
        ValueError: If the crop is larger than the image, or the centre of the box is outside the image.
    """
    crop, size = np.asarray(crop_size, dtype=np.int32), np.asarray(image_size, dtype=np.int32)
    if (crop > size).any():
        raise ValueError(f"gen_crop_transform_with_instance: crop_size must be at most {image_size}, got {crop_size}")
    x1, y1, x2, y2 = get_bbox(instance)
    center = np.array([(y1 + y2) * 0.5, (x1 + x2) * 0.5])
    if (center < 0).any() or (center > size).any():
        raise ValueError(
            f"gen_crop_transform_with_instance: centre of bbox must be in the image, got {instance['bbox']}"
        )
    low = np.clip(np.floor(center).astype(np.int32) - crop, 0, size - crop)
    high = np.clip(np.minimum(np.ceil(center).astype(np.int32), size - crop), low, None)
    y, x = np.random.randint(low[0], high[0] + 1), np.random.randint(low[1], high[1] + 1)
    return CropTransform(int(x), int(y), int(crop[1]), int(crop[0]), int(size[1]), int(size[0]))
