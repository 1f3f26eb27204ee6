"""Writer of Pascal VOC's format."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from detectory.data.formats.objects import visible_objects, write_text
from detectory.data.formats.report import ConversionReport
from detectory.structures import BoxMode


def write_voc(
    records: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    class_names: Sequence[str],
    folder: str | os.PathLike[str],
    split: str,
    report: ConversionReport | None = None,
) -> int:
    """Write an XML file per image and the list of the split. Masks and crowd regions are not written.

    Args:
        records: Records with `height` and `width`.
        names: The file name of each image in `JPEGImages`. The stems must be unique.
        class_names: The class names in the order of the class ids.
        folder: The folder in which `Annotations` and `ImageSets/Main` are created.
        split: The name of the list in `ImageSets/Main`.
        report: Counts the objects and what the format cannot express.

    Returns:
        The number of objects.
    """
    report = report if report is not None else ConversionReport()
    before, root = report.kept, Path(folder)
    for record, name in zip(records, names, strict=True):
        node = ElementTree.Element("annotation")
        ElementTree.SubElement(node, "folder").text = "JPEGImages"
        ElementTree.SubElement(node, "filename").text = name
        size = ElementTree.SubElement(node, "size")
        for side in ("width", "height"):
            ElementTree.SubElement(size, side).text = str(record[side])
        ElementTree.SubElement(size, "depth").text = "3"
        for index, (annotation, box) in enumerate(visible_objects(record, report)):
            _report_losses(annotation, report, f"{record.get('file_name', name)}: object {index}")
            _add_object(
                node, class_names[annotation["category_id"]], box, is_difficult=bool(annotation.get("difficult"))
            )
        ElementTree.indent(node)
        write_text(
            root / "Annotations" / f"{Path(name).stem}.xml",
            ElementTree.tostring(node, encoding="unicode") + "\n",
        )
    write_text(root / "ImageSets" / "Main" / f"{split}.txt", "".join(f"{Path(name).stem}\n" for name in names))
    return report.kept - before


def _report_losses(annotation: Mapping[str, Any], report: ConversionReport, place: str) -> None:
    if annotation.get("segmentation") is not None:
        report.change("Pascal VOC has no masks: the object becomes a box", place)
    if annotation.get("keypoints") is not None:
        report.change("Pascal VOC has no keypoints: the object becomes a box", place)
    if BoxMode(annotation["bbox_mode"]) == BoxMode.XYWHA_ABS:
        report.change("Pascal VOC has no rotated boxes: the box becomes the box around it", place)


def _add_object(node: ElementTree.Element, class_name: str, box: Sequence[float], *, is_difficult: bool) -> None:
    x1, y1, x2, y2 = box
    element = ElementTree.SubElement(node, "object")
    ElementTree.SubElement(element, "name").text = class_name
    ElementTree.SubElement(element, "difficult").text = str(int(is_difficult))
    bndbox = ElementTree.SubElement(element, "bndbox")
    # VOC's pixel indices start at 1, and boxes include their last pixel.
    for side, value in (("xmin", x1 + 1), ("ymin", y1 + 1), ("xmax", x2), ("ymax", y2)):
        ElementTree.SubElement(bndbox, side).text = f"{value:.10g}"
