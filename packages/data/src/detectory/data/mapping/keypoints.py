"""Keypoints under transforms."""

from collections.abc import Sequence

import numpy as np

from detectory.data.catalog import MetadataCatalog
from detectory.data.consistency import check_metadata_consistency
from detectory.data.transforms import HFlipTransform, TransformList


def create_keypoint_hflip_indices(dataset_names: str | Sequence[str]) -> list[int]:
    """Compute how keypoints change places when an image is mirrored.

    Args:
        dataset_names: One or more datasets whose metadata have the same `keypoint_names` and `keypoint_flip_map`.

    Returns:
        For each keypoint the index of the one that takes its place.
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
        raise ValueError(f"metadata of {names[0]!r}: keypoint_flip_map names {unknown}, not among keypoint_names")
    return [keypoints.index(partner.get(name, name)) for name in keypoints]


def transform_keypoint_annotations(
    keypoints: Sequence[float] | np.ndarray,
    transforms: TransformList,
    image_size: tuple[int, int],
    keypoint_hflip_indices: Sequence[int] | np.ndarray | None = None,
) -> np.ndarray:
    """Move the keypoints of one instance.

    Points that leave the image get the visibility 0, and points of visibility 0 get the coordinates 0.

    Args:
        keypoints: `3 K` numbers `x, y, visibility`; coordinates are continuous.
        transforms: What was applied to the image.
        image_size: `(height, width)` of the transformed image.
        keypoint_hflip_indices: See `create_keypoint_hflip_indices`; needed when an odd number of horizontal flips
            was applied.

    Returns:
        `(K, 3)` float64.
    """
    points = np.asarray(keypoints, dtype=np.float64).reshape(-1, 3)
    places = transforms.apply_coords(points[:, :2])
    inside = ((places >= 0) & (places <= np.array(image_size[::-1]))).all(axis=1)
    points = np.concatenate([places, np.where(inside, points[:, 2], 0)[:, None]], axis=1)
    is_mirrored = sum(isinstance(transform, HFlipTransform) for transform in transforms.transforms) % 2 == 1
    if is_mirrored:
        if keypoint_hflip_indices is None:
            raise ValueError(
                "transform_keypoint_annotations: the image was mirrored, keypoint_hflip_indices must be given"
            )
        if len(keypoint_hflip_indices) != len(points):
            raise ValueError(
                f"transform_keypoint_annotations: an instance has {len(points)} keypoints, "
                f"keypoint_hflip_indices {len(keypoint_hflip_indices)}"
            )
        points = points[np.asarray(keypoint_hflip_indices)]
    points[points[:, 2] == 0] = 0
    return points
