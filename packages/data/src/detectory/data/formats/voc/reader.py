"""Pascal VOC: one XML file for each image."""

import math
import os
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from detectory.core.suggestions import nearest
from detectory.data.formats.coco.problems import file_name_problem
from detectory.data.problems import DatasetError, Problem
from detectory.structures import BoxMode

VOC_CLASSES = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
]


def load_voc_instances(
    dirname: str | os.PathLike[str], split: str | None, class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Load boxes of Pascal VOC's format, difficult ones included. Images are not read.

    Args:
        dirname: Has `Annotations`, `ImageSets/Main` and `JPEGImages`.
        split: `"train"`, `"val"`, `"trainval"` or `"test"`: the name of a list in `ImageSets/Main`;
            None takes all XML files of `Annotations`, or of `dirname` itself.
        class_names: The classes in the order of their numbers.

    Returns:
        Dicts of the standard format. VOC counts pixels from 1 and both ends belong to a box: 1 is subtracted from its
        left and upper side.

    Raises:
        DatasetError: An XML file breaks the rules; the message names the file and the field.
    """
    names = list(class_names)
    records = []
    for file, image_dir in voc_files(dirname, split):
        for item in voc_items(file, image_dir, names):
            if isinstance(item, Problem):
                raise DatasetError(item)
            records.append(item)
    return records


def voc_files(dirname: str | os.PathLike[str], split: str | None) -> list[tuple[str, str]]:
    """List a split's XML files, each with the folder of its image.

    Args:
        dirname: See `load_voc_instances`. With None as `split` it may also be a folder that holds XML files and
            images side by side.
        split: The name of a list in `ImageSets/Main`; None takes all XML files.
    """
    root = os.fspath(dirname)
    folder = os.path.join(root, "Annotations")
    if split is not None:
        with open(os.path.join(root, "ImageSets", "Main", f"{split}.txt"), encoding="utf-8") as lines:
            names = [line.split()[0] for line in lines if line.strip()]
            for name in names:
                message = file_name_problem(name)
                if message:
                    raise DatasetError(Problem(lines.name, f"image {name}", "", message))
        return [(os.path.join(folder, f"{name}.xml"), os.path.join(root, "JPEGImages")) for name in names]
    if not os.path.isdir(folder):
        folder = root
    found = sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".xml"))
    if not found:
        raise FileNotFoundError(f"load_voc_instances: no *.xml in {folder}")
    images = os.path.join(root, "JPEGImages")
    return [(file, images if os.path.isdir(images) else folder) for file in found]


def voc_class_names(dirname: str | os.PathLike[str], split: str | None) -> list[str]:
    """Collect the names of all classes that a split's XML files use, sorted."""
    roots = (_parsed(file) for file, _ in voc_files(dirname, split))
    names = {node.findtext("name") for root in roots for node in root.iter("object")}
    return sorted(name.strip() for name in names if name)


def _parsed(file: str) -> ElementTree.Element:
    try:
        return ElementTree.parse(file).getroot()
    except ElementTree.ParseError as error:
        raise DatasetError(Problem(file, "", "", f"the file is no XML: {error}")) from error


def _number(node: ElementTree.Element, field: str) -> float:
    """Read a finite number.

    Raises:
        _BadElement: It is missing or none.
    """
    text = node.findtext(field)
    if text is None:
        raise _BadElement(f"{node.tag}/{field}", "the element is missing")
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _BadElement(f"{node.tag}/{field}", f"expected a number, got {text!r}")
    return number


class _BadElement(Exception):
    """An element's path and what is wrong with it."""


def voc_items(file: str, image_dir: str, classes: Sequence[str] | None) -> Iterator[dict[str, Any] | Problem]:
    """Yield the problems of one XML file, then the record of its image without the objects that have one.

    `classes` None takes any class; then annotations have the class's name as `category_id`.
    """
    try:
        root = _parsed(file)
    except DatasetError as error:
        if isinstance(error.problem, Problem):
            yield error.problem
        return
    image_id = os.path.splitext(os.path.basename(file))[0]
    image = root.findtext("filename") or ""
    record: dict[str, Any] = {
        "file_name": os.path.join(image_dir, f"{image_id}{os.path.splitext(image)[1] or '.jpg'}"),
        "image_id": image_id,
    }
    is_sized = True
    for side in ("height", "width"):
        try:
            record[side] = int(_number(root, f"size/{side}"))
        except _BadElement as error:
            is_sized = False
            yield Problem(file, "", *error.args)
    record["annotations"] = []
    for number, node in enumerate(root.iter("object")):
        try:
            record["annotations"].append(_annotation(node, classes))
        except _BadElement as error:
            yield Problem(file, f"object {number}", *error.args)
    if is_sized:
        yield record


def _annotation(node: ElementTree.Element, classes: Sequence[str] | None) -> dict[str, Any]:
    name = (node.findtext("name") or "").strip()
    if not name:
        raise _BadElement("object/name", "the element is missing")
    if classes is not None and name not in classes:
        raise _BadElement("name", f"unknown class {name!r}: {nearest(name, list(classes))}")
    corners = [_number(node, f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
    box = [corners[0] - 1.0, corners[1] - 1.0, corners[2], corners[3]]
    if not (box[2] >= box[0] and box[3] >= box[1]):
        raise _BadElement("bndbox", f"the corners are swapped: {corners}")
    category = name if classes is None else list(classes).index(name)
    return {"category_id": category, "bbox": box, "bbox_mode": BoxMode.XYXY_ABS}


def voc_metadata(dirname: str, split: str, year: int, class_names: Sequence[str]) -> dict[str, Any]:
    """Give the metadata of a dataset in VOC's format."""
    return {
        "thing_classes": list(class_names),
        "dirname": dirname,
        "year": year,
        "split": split,
        "evaluator_type": "pascal_voc",
    }
