"""Transform annotations and gather them into Instances."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from detectory.data.images import reading
from detectory.data.transforms import CropTransform, Transform, TransformList
from detectory.structures import (
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


def get_bbox(annotation: dict[str, Any]) -> list[float]:
    """Return an annotation's box as `[x1, y1, x2, y2]`; 360 degrees of a rotated one are its hull."""
    return BoxMode.convert(list(annotation["bbox"]), annotation["bbox_mode"], BoxMode.XYXY_ABS)


def transform_instance_annotations(
    annotation: dict[str, Any],
    transforms: TransformList | Sequence[Transform],
    image_size: tuple[int, int],
    *,
    keypoint_hflip_indices: Sequence[int] | np.ndarray | None = None,
) -> dict[str, Any]:
    """Apply transforms to the box, the segmentation and the keypoints of one instance.

    Boxes are clipped to the image. Polygons are transformed corner by corner, run-length codes as masks.

    Args:
        annotation: A dict of the standard format, changed in place.
        transforms: What was applied to the image.
        image_size: `(height, width)` of the transformed image.
        keypoint_hflip_indices: See `create_keypoint_hflip_indices`.

    Returns:
        The dict: `bbox` an array `(x1, y1, x2, y2)`, `bbox_mode` `XYXY_ABS`, `segmentation` a list of flat
        arrays or an `(H, W)` mask, `keypoints` a `(K, 3)` array.

    Raises:
        ValueError: A number is not finite, a mask has another size than the image or more pixels than the limit.
    """
    if not isinstance(transforms, TransformList):
        transforms = TransformList(list(transforms))
    given = np.array([get_bbox(annotation)], dtype=np.float64)
    if not np.isfinite(given).all():
        raise ValueError(f"bbox must be finite numbers, got {annotation['bbox']}")
    box = transforms.apply_box(given)[0].clip(min=0)
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
            raise ValueError("a polygon's coordinates must be finite numbers")
        return [polygon.reshape(-1) for polygon in transforms.apply_polygons(polygons)]
    if isinstance(segmentation, (dict, np.ndarray)):
        mask = _decoded(segmentation) if isinstance(segmentation, dict) else segmentation
        mask = transforms.apply_segmentation(mask)
        if tuple(mask.shape[:2]) != tuple(image_size):
            raise ValueError(f"a mask has the size {mask.shape[:2]} after the transforms, the image {image_size}")
        return mask
    raise TypeError(
        "segmentation must be a list of polygons, an RLE dict of COCO or an (H, W) array, "
        f"got {type(segmentation).__name__}"
    )


def _decoded(rle: dict[str, Any]) -> np.ndarray:
    """Decode an RLE to a uint8 mask; Pillow, which resizes masks, does not read bool arrays."""
    return rle_to_bitmask(rle, reading.MAX_PIXELS).view(np.uint8)


def annotations_to_instances(
    annos: Sequence[dict[str, Any]], image_size: tuple[int, int], mask_format: str = "polygon"
) -> Instances:
    """Gather the annotations of one image into the object that models train on.

    Args:
        annos: Dicts of the standard format, usually from `transform_instance_annotations`.
        image_size: `(height, width)`.
        mask_format: `"polygon"`, or `"bitmask"`, which also takes run-length codes and `(H, W)` arrays.

    Returns:
        Instances with `gt_boxes` (Boxes), `gt_classes` (int64), and `gt_masks` (PolygonMasks or BitMasks) and
        `gt_keypoints` (Keypoints) where the first annotation has them.
    """
    boxes = np.array([get_bbox(annotation) for annotation in annos], dtype=np.float32).reshape(-1, 4)
    target = Instances(image_size)
    target.gt_boxes = Boxes(torch.from_numpy(boxes))
    target.gt_classes = torch.tensor([int(annotation["category_id"]) for annotation in annos], dtype=torch.int64)
    if len(annos) and "segmentation" in annos[0]:
        segmentations = [annotation["segmentation"] for annotation in annos]
        target.gt_masks = _masks(segmentations, image_size, mask_format)
    if len(annos) and "keypoints" in annos[0]:
        keypoints = [np.asarray(annotation.get("keypoints", []), dtype=np.float32) for annotation in annos]
        target.gt_keypoints = Keypoints(torch.from_numpy(np.stack([points.reshape(-1, 3) for points in keypoints])))
    return target


def _masks(segmentations: list[Any], image_size: tuple[int, int], mask_format: str) -> PolygonMasks | BitMasks:
    if mask_format == "polygon":
        for segmentation in segmentations:
            if not isinstance(segmentation, list):
                raise ValueError(
                    "annotations_to_instances: mask_format='polygon' needs polygons, got "
                    f"{type(segmentation).__name__}; use mask_format='bitmask' for run-length codes and masks"
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
        f"annotations_to_instances: mask_format='bitmask' takes polygons, COCO's RLE dicts and (H, W) arrays, got {got}"
    )


def annotations_to_instances_rotated(annos: Sequence[dict[str, Any]], image_size: tuple[int, int]) -> Instances:
    """Gather annotations with rotated boxes, clipped to the image.

    Args:
        annos: Dicts whose `bbox` is `(x_center, y_center, width, height, angle in degrees)`.
        image_size: `(height, width)`.

    Returns:
        Instances with `gt_boxes` (RotatedBoxes) and `gt_classes` (int64).
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
    """Leave out instances of which nothing is left.

    Args:
        instances: With `gt_boxes`, perhaps `gt_masks`.
        by_box: Leave out boxes whose width or height is at most `box_threshold`.
        by_mask: Leave out empty masks.
        box_threshold: In pixels.
        return_mask: Also return which ones were kept.

    Returns:
        The kept instances; with `return_mask` also a `(N,)` bool tensor.
    """
    if not by_box and not by_mask:
        raise ValueError("filter_empty_instances: by_box or by_mask must be on")
    kept = torch.ones(len(instances), dtype=torch.bool)
    if by_box:
        kept &= instances.gt_boxes.nonempty(threshold=box_threshold)
    if by_mask and instances.has("gt_masks"):
        kept &= instances.gt_masks.nonempty()
    return (instances[kept], kept) if return_mask else instances[kept]


def gen_crop_transform_with_instance(
    crop_size: tuple[int, int], image_size: tuple[int, int], instance: dict[str, Any]
) -> CropTransform:
    """Draw a window that contains the centre of an instance's box.

    Args:
        crop_size: `(height, width)` of the window, at most the image's.
        image_size: `(height, width)`.
        instance: An annotation with `bbox` and `bbox_mode`.
    """
    crop, size = np.asarray(crop_size, dtype=np.int32), np.asarray(image_size, dtype=np.int32)
    if (crop > size).any():
        raise ValueError(f"gen_crop_transform_with_instance: crop_size {crop_size} exceeds the image's {image_size}")
    x1, y1, x2, y2 = get_bbox(instance)
    center = np.array([(y1 + y2) * 0.5, (x1 + x2) * 0.5])
    if (center < 0).any() or (center > size).any():
        raise ValueError(f"gen_crop_transform_with_instance: the box {instance['bbox']} has its centre outside")
    low = np.clip(np.floor(center).astype(np.int32) - crop, 0, size - crop)
    high = np.clip(np.minimum(np.ceil(center).astype(np.int32), size - crop), low, None)
    y, x = np.random.randint(low[0], high[0] + 1), np.random.randint(low[1], high[1] + 1)
    return CropTransform(int(x), int(y), int(crop[1]), int(crop[0]), int(size[1]), int(size[0]))
