"""Writer of LabelMe's JSON format."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detectory.data.formats.annotations import rotated_corners
from detectory.data.formats.mask_outlines import join_polygons
from detectory.data.formats.objects import annotation_outlines, has_other_box, rounded, visible_objects, write_text
from detectory.data.formats.report import ConversionReport
from detectory.structures import BoxMode


def write_labelme(
    records: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    class_names: Sequence[str],
    folder: str | os.PathLike[str],
    report: ConversionReport | None = None,
) -> int:
    """Write a LabelMe JSON file per image, next to the image. Crowd regions are not written.

    Objects without a segmentation become rectangles, or shapes of the type `rotation` if their boxes are rotated. The
    polygons of an object with several polygons become a group. Holes are joined to the polygons by bridges, see
    `join_polygons`. Difficult objects have the flag `difficult`.

    Args:
        records: Records with `height` and `width`.
        names: The file name of each image, relative to `folder`.
        class_names: The class names in the order of the class ids.
        folder: The image folder.
        report: Counts the objects and what the format cannot express.

    Returns:
        The number of objects.
    """
    report = report if report is not None else ConversionReport()
    before = report.kept
    for record, name in zip(records, names, strict=True):
        shapes: list[dict[str, Any]] = []
        for group, (annotation, box) in enumerate(visible_objects(record, report)):
            place = f"{record.get('file_name', name)}: object {group}"
            outlines = _outlines(annotation, box, report, place)
            flags = {"difficult": True} if annotation.get("difficult") else {}
            for shape_type, points in outlines:
                shapes.append(
                    {
                        "label": class_names[annotation["category_id"]],
                        "points": np.reshape(points, (-1, 2)).tolist(),
                        "shape_type": shape_type,
                        "group_id": group if len(outlines) > 1 else None,
                        "flags": flags,
                    }
                )
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
    return report.kept - before


def _outlines(
    annotation: Mapping[str, Any], box: Sequence[float], report: ConversionReport, place: str
) -> list[tuple[str, list[float]]]:
    """Return the type and the points of every shape of an object."""
    if annotation.get("keypoints") is not None:
        report.change("LabelMe has no keypoints of objects", place)
    parts, holes = annotation_outlines(annotation)
    if not parts:
        if BoxMode(annotation["bbox_mode"]) == BoxMode.XYWHA_ABS:
            return [("rotation", rounded(rotated_corners(annotation["bbox"])))]
        return [("rectangle", rounded(box))]
    polygons = [join_polygons([*parts, *holes])] if holes else parts
    if has_other_box(box, [value for polygon in polygons for value in polygon]):
        report.change("LabelMe stores no box with a polygon: the box becomes the one around the polygon", place)
    return [("polygon", polygon) for polygon in polygons]
