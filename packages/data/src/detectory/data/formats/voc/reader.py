"""Reader of Pascal VOC's format: one XML file per image."""

import math
import os
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from detectory.core.suggestions import nearest
from detectory.data.formats.file_names import file_name_problem
from detectory.data.images.reading import image_size_of_file
from detectory.data.problems import DatasetError, Problem
from detectory.structures import BoxMode

from .xml_file import ImageNameError, find_voc_image, parse_xml

#: Folders with XML files.
XML_FOLDERS = ("Annotations", "annotations")
_IMAGE_FOLDERS = ("JPEGImages", "images", "Images")


def load_voc_instances(dirname: str | os.PathLike[str], split: str | None, class_names: Sequence[str]) -> list[Any]:
    """Read boxes in Pascal VOC format. Images are read only if an XML file does not contain their size.

    Args:
        dirname: A folder with `Annotations`, `ImageSets/Main` and `JPEGImages`.
        split: `"train"`, `"val"`, `"trainval"` or `"test"`: the name of a list in `ImageSets/Main`. None reads all XML
            files in `Annotations`, or in `dirname` itself.
        class_names: The class names in the order of the class ids.

    Returns:
        Records in the standard format. VOC's pixel indices start at 1 and boxes include their last pixel, therefore 1
        is subtracted from the left and the top side. Difficult objects have the additional field `difficult`: 1.

    Raises:
        FileNotFoundError: If the list or an XML file does not exist.
        DatasetError: If an XML file is invalid. The message contains file, object and field.
    """
    names = list(class_names)
    records = []
    for file, image_dir in voc_files(dirname, split):
        for item in parse_voc_file(file, image_dir, names):
            if isinstance(item, Problem):
                raise DatasetError(item)
            records.append(item)
    return records


def voc_files(dirname: str | os.PathLike[str], split: str | None) -> list[tuple[str, str]]:
    """Return the XML files of a split, each with the folder of its image.

    Args:
        dirname: See `load_voc_instances`. If `split` is None, also a folder of XML files and images.
        split: The name of a list in `ImageSets/Main`; None for all XML files.
    """
    root = os.fspath(dirname)
    folders = [os.path.join(root, name) for name in XML_FOLDERS]
    folder = next((folder for folder in folders if os.path.isdir(folder) and _xml_files(folder)), folders[0])
    if split is not None:
        names = _listed_names(os.path.join(root, "ImageSets", "Main", f"{split}.txt"))
        image_dir = _image_folder(root, os.path.join(root, "JPEGImages"))
        return [(os.path.join(folder, f"{name}.xml"), image_dir) for name in names]
    if not os.path.isdir(folder):
        folder = root
    files = _xml_files(folder)
    if not files:
        raise FileNotFoundError(f"load_voc_instances: no *.xml files in {folder}")
    image_dir = _image_folder(root, folder)
    return [(file, image_dir) for file in files]


def _xml_files(folder: str) -> list[str]:
    names = (name for name in os.listdir(folder) if name.endswith(".xml") and not name.startswith("."))
    return sorted(os.path.join(folder, name) for name in names)


def _image_folder(root: str, otherwise: str) -> str:
    """Return the image folder: `JPEGImages` of VOC, `images` of Label Studio, or the folder of the XML files.

    If `root` itself is a folder of XML files, the image folder may be next to it.
    """
    folders = [os.path.join(root, name) for name in _IMAGE_FOLDERS]
    if os.path.basename(root) in XML_FOLDERS:
        folders += [os.path.join(os.path.dirname(root), name) for name in _IMAGE_FOLDERS]
    return next((folder for folder in folders if os.path.isdir(folder)), otherwise)


def _listed_names(list_file: str) -> list[str]:
    with open(list_file, encoding="utf-8") as lines:
        names = [line.split()[0] for line in lines if line.strip()]
    for name in names:
        message = file_name_problem(name)
        if message:
            raise DatasetError(Problem(list_file, f"image {name}", "", message))
    return names


def voc_class_names(dirname: str | os.PathLike[str], split: str | None) -> list[str]:
    """Return the names of all classes in the XML files of a split, sorted."""
    roots = (parse_xml(file) for file, _ in voc_files(dirname, split))
    names = {node.findtext("name") for root in roots for node in root.iter("object")}
    return sorted(name.strip() for name in names if name)


def parse_voc_file(file: str, image_dir: str, classes: Sequence[str] | None) -> Iterator[dict[str, Any] | Problem]:
    """Yield the problems of an XML file, then the record of its image without the invalid objects.

    No record is yielded if the size of the image is invalid.

    Args:
        file: The XML file.
        image_dir: The folder of the image.
        classes: The class names. None accepts all classes, and `category_id` is then the name of the class.
    """
    try:
        root = parse_xml(file)
    except DatasetError as error:
        if isinstance(error.problem, Problem):
            yield error.problem
        return
    record: dict[str, Any] = {"image_id": os.path.splitext(os.path.basename(file))[0], "annotations": []}
    is_valid = True
    try:
        record["file_name"] = find_voc_image(file, image_dir, root.findtext("filename") or "")
        record["height"], record["width"] = _image_size(root, record["file_name"])
    except ImageNameError as error:
        is_valid = False
        yield Problem(file, "", "filename", str(error))
    except _InvalidElement as error:
        is_valid = False
        yield Problem(file, "", *error.args)
    for index, node in enumerate(root.iter("object")):
        try:
            record["annotations"].append(_annotation(node, classes))
        except _InvalidElement as error:
            yield Problem(file, f"object {index}", *error.args)
    if is_valid:
        yield record


class _InvalidElement(Exception):
    """An invalid XML element: its path and a message."""


def _image_size(root: ElementTree.Element, image: str) -> tuple[int, int]:
    """Return `(height, width)`. Some tools write 0 or no size; the size is then read from the image, if it exists."""
    sides = [root.findtext(f"size/{side}") for side in ("height", "width")]
    if any(side is None or side.strip() in ("", "0") for side in sides) and os.path.isfile(image):
        return image_size_of_file(image)
    height, width = (int(_number(root, f"size/{side}")) for side in ("height", "width"))
    if height <= 0 or width <= 0:
        raise _InvalidElement("size", f"must be positive, got {width} x {height}, and the image {image} does not exist")
    return height, width


def _number(node: ElementTree.Element, field: str) -> float:
    """Return the finite number in a child element."""
    text = node.findtext(field)
    if text is None:
        raise _InvalidElement(f"{node.tag}/{field}", "missing")
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _InvalidElement(f"{node.tag}/{field}", f"must be a number, got {text!r}")
    return number


def _annotation(node: ElementTree.Element, classes: Sequence[str] | None) -> dict[str, Any]:
    name = (node.findtext("name") or "").strip()
    if not name:
        raise _InvalidElement("object/name", "missing")
    if classes is not None and name not in classes:
        raise _InvalidElement("name", f"unknown class {name!r}: {nearest(name, list(classes))}")
    category = name if classes is None else list(classes).index(name)
    annotation = _box(node)
    annotation["category_id"] = category
    if (node.findtext("difficult") or "").strip() == "1":
        annotation["difficult"] = 1
    return annotation


def _box(node: ElementTree.Element) -> dict[str, Any]:
    """Return the box of an object; roLabelImg stores rotated boxes in `robndbox`, CVAT the rotation as an attribute."""
    if node.find("bndbox") is None and node.find("robndbox") is not None:
        cx, cy, width, height, angle = (_number(node, f"robndbox/{key}") for key in ("cx", "cy", "w", "h", "angle"))
        return {"bbox": [cx, cy, width, height, -math.degrees(angle)], "bbox_mode": BoxMode.XYWHA_ABS}
    corners = [_number(node, f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
    box = [corners[0] - 1.0, corners[1] - 1.0, corners[2], corners[3]]
    if not (box[2] >= box[0] and box[3] >= box[1]):
        raise _InvalidElement("bndbox", f"xmax and ymax must not be less than xmin and ymin, got {corners}")
    rotation = _rotation(node)
    if rotation:
        x1, y1, x2, y2 = box
        rotated = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, -rotation]
        return {"bbox": rotated, "bbox_mode": BoxMode.XYWHA_ABS}
    return {"bbox": box, "bbox_mode": BoxMode.XYXY_ABS}


def _rotation(node: ElementTree.Element) -> float:
    """Return CVAT's rotation of a box in degrees clockwise."""
    for attribute in node.iter("attribute"):
        if attribute.findtext("name") == "rotation":
            return _number(attribute, "value") % 360
    return 0.0
