"""Writer of Pascal VOC's format."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from detectory.data.formats.objects import visible_objects, write_text


def write_voc(
    records: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    class_names: Sequence[str],
    folder: str | os.PathLike[str],
    split: str,
) -> int:
    """Write an XML file per image and the list of the split. Masks and crowd regions are not written.

    Args:
        records: Records with `height` and `width`.
        names: The file name of each image in `JPEGImages`. The stems must be unique.
        class_names: The class names in the order of the class ids.
        folder: The folder in which `Annotations` and `ImageSets/Main` are created.
        split: The name of the list in `ImageSets/Main`.

    Returns:
        The number of objects.
    """
    count, root = 0, Path(folder)
    for record, name in zip(records, names, strict=True):
        node = ElementTree.Element("annotation")
        ElementTree.SubElement(node, "folder").text = "JPEGImages"
        ElementTree.SubElement(node, "filename").text = name
        size = ElementTree.SubElement(node, "size")
        for side in ("width", "height"):
            ElementTree.SubElement(size, side).text = str(record[side])
        ElementTree.SubElement(size, "depth").text = "3"
        for annotation, box in visible_objects(record):
            _add_object(node, class_names[annotation["category_id"]], box)
            count += 1
        ElementTree.indent(node)
        write_text(
            root / "Annotations" / f"{Path(name).stem}.xml",
            ElementTree.tostring(node, encoding="unicode") + "\n",
        )
    write_text(root / "ImageSets" / "Main" / f"{split}.txt", "".join(f"{Path(name).stem}\n" for name in names))
    return count


def _add_object(node: ElementTree.Element, class_name: str, box: Sequence[float]) -> None:
    x1, y1, x2, y2 = box
    element = ElementTree.SubElement(node, "object")
    ElementTree.SubElement(element, "name").text = class_name
    ElementTree.SubElement(element, "difficult").text = "0"
    bndbox = ElementTree.SubElement(element, "bndbox")
    # VOC's pixel indices start at 1, and boxes include their last pixel.
    for side, value in (("xmin", x1 + 1), ("ymin", y1 + 1), ("xmax", x2), ("ymax", y2)):
        ElementTree.SubElement(bndbox, side).text = f"{value:.10g}"
