"""Writer of DOTA's text format."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detectory.data.formats.annotations import rotated_corners
from detectory.data.formats.objects import visible_objects, write_text
from detectory.data.formats.report import ConversionReport
from detectory.structures import BoxMode


def write_dota(
    records: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    class_names: Sequence[str],
    label_dir: str | os.PathLike[str],
    report: ConversionReport | None = None,
) -> int:
    """Write a DOTA label file per image: the corners of rotated and upright boxes. Crowd regions are not written.

    Args:
        records: Records with `height` and `width`.
        names: The file name of each image, relative to the image folder.
        class_names: The class names in the order of the class ids.
        label_dir: The folder of the label files.
        report: Counts the objects and what the format cannot express.

    Returns:
        The number of objects.
    """
    report = report if report is not None else ConversionReport()
    before = report.kept
    for record, name in zip(records, names, strict=True):
        lines = []
        for index, (annotation, box) in enumerate(visible_objects(record, report)):
            place = f"{record.get('file_name', name)}: object {index}"
            for field, noun in (("segmentation", "masks"), ("keypoints", "keypoints")):
                if annotation.get(field) is not None:
                    report.change(f"DOTA has no {noun}: the object becomes a box", place)
            x1, y1, x2, y2 = box
            is_rotated = BoxMode(annotation["bbox_mode"]) == BoxMode.XYWHA_ABS
            corners = rotated_corners(annotation["bbox"]) if is_rotated else [x1, y1, x2, y1, x2, y2, x1, y2]
            numbers = " ".join(f"{value:.10g}" for value in corners)
            difficult = int(bool(annotation.get("difficult")))
            lines.append(f"{numbers} {class_names[annotation['category_id']]} {difficult}\n")
        write_text(Path(label_dir) / Path(name).with_suffix(".txt"), "".join(lines))
    return report.kept - before
