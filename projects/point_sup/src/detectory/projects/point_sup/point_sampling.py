"""Replacement of masks by labeled points.

Source: Cheng, Parkhi and Kirillov, "Pointly-Supervised Instance Segmentation", CVPR 2022, section 3.1.
"""

from typing import Any

import numpy as np

from detectory.structures import polygons_to_bitmask, rle_to_bitmask

__all__ = ["add_points"]


def add_points(dataset: dict[str, Any], num_points: int, generator: np.random.RandomState) -> dict[str, Any]:
    """Return the contents of a COCO annotation file with labeled points instead of masks.

    Args:
        dataset: Contents of the file; not modified.
        num_points: Points per object, uniformly distributed in the box.
        generator: Source of the random points.

    Returns:
        A copy in which annotations have no `segmentation`, but `point_coords`, indices [x, y] of pixels, and
        `point_labels`, 1 for points on the mask and 0 for others.

    Raises:
        ValueError: If an annotation has no segmentation, an invalid one, or an unknown image.
    """
    images = {image["id"]: image for image in dataset["images"]}
    annotations = []
    for annotation in dataset["annotations"]:
        where = f"annotation {annotation.get('id')}"
        if annotation.get("image_id") not in images:
            raise ValueError(f"{where}: no image has the id {annotation.get('image_id')!r}")
        if not annotation.get("segmentation"):
            raise ValueError(f"{where}: 'segmentation' must not be empty. Labels of points are read from the masks")
        image = images[annotation["image_id"]]
        height, width = image["height"], image["width"]
        try:
            mask = _mask(annotation["segmentation"], height, width)
            x, y, box_width, box_height = (float(value) for value in annotation["bbox"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{where}: {error}") from error
        drawn = generator.rand(num_points, 2) * [box_width, box_height] + [x, y]
        points = np.floor(drawn).astype(np.int64).clip(0, [width - 1, height - 1])
        kept = {key: value for key, value in annotation.items() if key != "segmentation"}
        kept["point_coords"] = points.tolist()
        kept["point_labels"] = mask[points[:, 1], points[:, 0]].astype(int).tolist()
        annotations.append(kept)
    return {**dataset, "annotations": annotations}


def _mask(segmentation: Any, height: int, width: int) -> np.ndarray:
    """Return the mask of an object, bool of shape (height, width)."""
    if isinstance(segmentation, dict):
        mask = rle_to_bitmask(segmentation)
        if mask.shape != (height, width):
            raise ValueError(f"segmentation: mask must be {(height, width)} (height, width), got {mask.shape}")
        return mask
    polygons = [np.asarray(polygon, dtype=np.float64) for polygon in segmentation]
    return np.asarray(polygons_to_bitmask(polygons, height, width)).astype(bool)
