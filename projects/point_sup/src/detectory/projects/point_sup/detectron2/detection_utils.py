"""Processing of point annotations under Detectron2's module path."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from detectory.data.mapping import get_bbox
from detectory.data.transforms import Transform, TransformList
from detectory.projects import point_sup as native
from detectory.projects.point_sup import annotations_to_instances
from detectory.structures import Annotation, BoxMode

__all__ = ["annotations_to_instances", "transform_instance_annotations"]


def transform_instance_annotations(
    annotation: dict[str, Any], transforms: TransformList | Sequence[Transform], image_size: tuple[int, int]
) -> dict[str, Any]:
    """Apply transforms to the box and the points of one object.

    Unlike `detectory.projects.point_sup.transform_instance_annotations`, a box of integers is truncated to integers
    after each transform, as in Detectron2.
    """
    if not all(isinstance(value, int | np.integer) for value in annotation["bbox"]):
        return native.transform_instance_annotations(annotation, transforms, image_size)
    box = np.array([get_bbox(cast(Annotation, annotation))], dtype=np.float64)
    for transform in transforms.transforms if isinstance(transforms, TransformList) else transforms:
        box = np.trunc(transform.apply_box(box))
    native.transform_instance_annotations(annotation, transforms, image_size)
    height, width = image_size
    annotation["bbox"], annotation["bbox_mode"] = box[0].clip(0, [width, height, width, height]), BoxMode.XYXY_ABS
    return annotation
