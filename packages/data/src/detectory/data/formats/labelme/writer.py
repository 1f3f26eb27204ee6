"""Writer of LabelMe's JSON format."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detectory.data.formats.objects import annotation_polygons, rounded, visible_objects, write_text


def write_labelme(
    records: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    class_names: Sequence[str],
    folder: str | os.PathLike[str],
) -> int:
    """Write a LabelMe JSON file per image, next to the image. Crowd regions are not written.

    Objects without a segmentation become rectangles. The polygons of an object with several polygons become a group.

    Args:
        records: Records with `height` and `width`.
        names: The file name of each image, relative to `folder`.
        class_names: The class names in the order of the class ids.
        folder: The image folder.

    Returns:
        The number of objects.
    """
    count = 0
    for record, name in zip(records, names, strict=True):
        shapes: list[dict[str, Any]] = []
        for group, (annotation, box) in enumerate(visible_objects(record)):
            shapes.extend(_shapes(annotation, box, class_names[annotation["category_id"]], group))
            count += 1
        content = {
            "version": "5.0.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": Path(name).name,
            "imageData": None,
            "imageHeight": record["height"],
            "imageWidth": record["width"],
        }
        write_text(Path(folder) / Path(name).with_suffix(".json"), json.dumps(content, indent=1))
    return count


def _shapes(annotation: Mapping[str, Any], box: list[float], label: str, group: int) -> list[dict[str, Any]]:
    polygons = [np.reshape(polygon, (-1, 2)).tolist() for polygon in annotation_polygons(annotation)]
    rectangle = [rounded(box[:2]), rounded(box[2:])]
    return [
        {
            "label": label,
            "points": points,
            "shape_type": "polygon" if polygons else "rectangle",
            "group_id": group if len(polygons) > 1 else None,
            "flags": {},
        }
        for points in polygons or [rectangle]
    ]
