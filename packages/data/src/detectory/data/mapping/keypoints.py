"""Transformation of keypoint annotations."""

from collections.abc import Sequence

import numpy as np

from detectory.data.catalog import MetadataCatalog
from detectory.data.consistency import check_metadata_consistency
from detectory.data.transforms import HFlipTransform, TransformList


def create_keypoint_hflip_indices(dataset_names: str | Sequence[str]) -> list[int]:
    """Return the permutation of keypoints under a horizontal flip, which exchanges left and right.

    Args:
        dataset_names: One or more datasets with the same `keypoint_names` and `keypoint_flip_map` in their metadata.

    Returns:
        For each keypoint the index of the keypoint that replaces it.

    Raises:
        ValueError: If the datasets differ, or `keypoint_flip_map` contains an unknown name.
    """
    names = [dataset_names] if isinstance(dataset_names, str) else list(dataset_names)
    check_metadata_consistency("keypoint_names", names)
    check_metadata_consistency("keypoint_flip_map", names)
    metadata = MetadataCatalog.get(names[0])
    partner = dict(metadata.keypoint_flip_map)
    partner.update({right: left for left, right in metadata.keypoint_flip_map})
    keypoints = list(metadata.keypoint_names)
    unknown = sorted(set(partner) - set(keypoints))
    if unknown:
        raise ValueError(f"metadata of {names[0]!r}: keypoint_flip_map contains {unknown}, not in keypoint_names")
    return [keypoints.index(partner.get(name, name)) for name in keypoints]


def transform_keypoint_annotations(
    keypoints: Sequence[float] | np.ndarray,
    transforms: TransformList,
    image_size: tuple[int, int],
    keypoint_hflip_indices: Sequence[int] | np.ndarray | None = None,
) -> np.ndarray:
    """Transform the keypoints of one object.

    The visibility of points outside the image becomes 0. The coordinates of all points with visibility 0 become 0.

    Args:
        keypoints: `[x1, y1, v1, …]` or shape (K, 3), in pixels, continuous coordinates.
        transforms: The transforms that were applied to the image.
        image_size: `(height, width)` of the transformed image.
        keypoint_hflip_indices: See `create_keypoint_hflip_indices`; required if the transforms contain an odd number of
            horizontal flips.

    Returns:
        Float64, shape (K, 3).

    Raises:
        ValueError: If `keypoint_hflip_indices` is required and missing, or has the wrong length.
    """
    points = np.asarray(keypoints, dtype=np.float64).reshape(-1, 3)
    coords = transforms.apply_coords(points[:, :2])
    inside = ((coords >= 0) & (coords <= np.array(image_size[::-1]))).all(axis=1)
    points = np.concatenate([coords, np.where(inside, points[:, 2], 0)[:, None]], axis=1)
    is_flipped = sum(isinstance(transform, HFlipTransform) for transform in transforms.transforms) % 2 == 1
    if is_flipped:
        if keypoint_hflip_indices is None:
            raise ValueError(
                "transform_keypoint_annotations: keypoint_hflip_indices must be set if the image is flipped, got None"
            )
        if len(keypoint_hflip_indices) != len(points):
            raise ValueError(
                f"transform_keypoint_annotations: keypoint_hflip_indices must have {len(points)} entries, "
                f"got {len(keypoint_hflip_indices)}"
            )
        points = points[np.asarray(keypoint_hflip_indices)]
    points[points[:, 2] == 0] = 0
    return points
