"""Pascal VOC: one XML file for each image."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from detectory.core.names import nearest
from detectory.data.catalog import DatasetCatalog, MetadataCatalog
from detectory.data.faults import DatasetError, Fault
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


def load_voc_instances(dirname: str, split: str, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Load boxes of Pascal VOC's format, difficult ones included. Images are not read.

    Args:
        dirname: Has ``Annotations``, ``ImageSets/Main`` and ``JPEGImages``.
        split: ``"train"``, ``"val"``, ``"trainval"`` or ``"test"``: the name of a list in ``ImageSets/Main``.
        class_names: The classes in the order of their numbers.

    Returns:
        Dicts of the standard format. VOC counts pixels from 1 and both ends belong to a box: 1 is subtracted from its
        left and upper side.

    Raises:
        DatasetError: An XML file breaks the rules; the message names the file and the field.
    """
    path = os.path.join(dirname, "ImageSets", "Main", f"{split}.txt")
    with open(path, encoding="utf-8") as file:
        ids = [line.split()[0] for line in file if line.strip()]
    return [_record(dirname, image_id, list(class_names)) for image_id in ids]


def voc_class_names(dirname: str, split: str) -> list[str]:
    """Collect the names of all classes that a split's XML files use, sorted."""
    path = os.path.join(dirname, "ImageSets", "Main", f"{split}.txt")
    with open(path, encoding="utf-8") as file:
        ids = [line.split()[0] for line in file if line.strip()]
    roots = (_parsed(os.path.join(dirname, "Annotations", f"{image_id}.xml")) for image_id in ids)
    return sorted({_text(node, "name", "") for root in roots for node in root.iter("object")})


def _parsed(file: str) -> ElementTree.Element:
    try:
        return ElementTree.parse(file).getroot()
    except ElementTree.ParseError as error:
        raise DatasetError(Fault(file, "", "", f"the file is no XML: {error}")) from error


def _text(node: ElementTree.Element, field: str, file: str) -> str:
    found = node.findtext(field)
    if found is None:
        raise DatasetError(Fault(file, "", f"{node.tag}/{field}", "the element is missing"))
    return found.strip()


def _number(node: ElementTree.Element, field: str, file: str) -> float:
    text = _text(node, field, file)
    try:
        return float(text)
    except ValueError as error:
        raise DatasetError(Fault(file, "", f"{node.tag}/{field}", f"expected a number, got {text!r}")) from error


def _record(dirname: str, image_id: str, classes: list[str]) -> dict[str, Any]:
    file = os.path.join(dirname, "Annotations", f"{image_id}.xml")
    root = _parsed(file)
    image = root.findtext("filename") or ""
    extension = os.path.splitext(image)[1] or ".jpg"
    return {
        "file_name": os.path.join(dirname, "JPEGImages", f"{image_id}{extension}"),
        "image_id": image_id,
        "height": int(_number(root, "size/height", file)),
        "width": int(_number(root, "size/width", file)),
        "annotations": list(_annotations(root, file, classes)),
    }


def _annotations(root: ElementTree.Element, file: str, classes: list[str]) -> Iterator[dict[str, Any]]:
    for number, node in enumerate(root.iter("object")):
        name = _text(node, "name", file)
        if name not in classes:
            message = f"unknown class {name!r}: {nearest(name, classes)}"
            raise DatasetError(Fault(file, f"object {number}", "name", message))
        corners = [_number(node, f"bndbox/{side}", file) for side in ("xmin", "ymin", "xmax", "ymax")]
        box = [corners[0] - 1.0, corners[1] - 1.0, corners[2], corners[3]]
        if not (box[2] >= box[0] and box[3] >= box[1]):
            raise DatasetError(Fault(file, f"object {number}", "bndbox", f"the corners are swapped: {corners}"))
        yield {"category_id": classes.index(name), "bbox": box, "bbox_mode": BoxMode.XYXY_ABS}


def register_pascal_voc(
    name: str, dirname: str, split: str, year: int, class_names: Sequence[str] = tuple(VOC_CLASSES)
) -> None:
    """Register a dataset in Pascal VOC's format.

    Args:
        name: For example ``"voc_2007_trainval"``.
        dirname: See :func:`load_voc_instances`.
        split: The name of a list in ``ImageSets/Main``.
        year: 2007 or 2012; the evaluation of 2007 differs.
        class_names: The classes in the order of their numbers.
    """
    DatasetCatalog.register(name, lambda: load_voc_instances(dirname, split, class_names))
    MetadataCatalog.get(name).set(**voc_metadata(dirname, split, year, class_names))


def voc_metadata(dirname: str, split: str, year: int, class_names: Sequence[str]) -> dict[str, Any]:
    """Give the metadata of a dataset in VOC's format."""
    return {
        "thing_classes": list(class_names),
        "dirname": dirname,
        "year": year,
        "split": split,
        "evaluator_type": "pascal_voc",
    }
