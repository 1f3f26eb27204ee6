"""Write records of the standard format as YOLO, Pascal VOC and LabelMe folders."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from detectory.core.storage import atomic_write
from detectory.structures import BoxMode, rle_to_bitmask

from .mask_outlines import mask_to_polygons


def _numbers(values: Any) -> list[float]:
    return [round(float(value), 3) for value in np.asarray(values, dtype=np.float64).reshape(-1)]


def outlines(annotation: dict[str, Any]) -> list[list[float]]:
    """Give the polygons of an annotation's segmentation, those of a run-length code traced; empty without one."""
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, dict):
        return mask_to_polygons(rle_to_bitmask(segmentation))
    return [_numbers(polygon) for polygon in segmentation or []]


def _objects(record: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[float]]]:
    """Yield annotations that are no crowd with their upright corners, cut off at the image's border."""
    limits = [record["width"], record["height"]] * 2
    for annotation in record.get("annotations", []):
        if annotation.get("iscrowd", 0):
            continue
        corners = BoxMode.convert(list(annotation["bbox"]), BoxMode(annotation["bbox_mode"]), BoxMode.XYXY_ABS)
        yield annotation, [min(max(float(v), 0.0), top) for v, top in zip(corners, limits, strict=True)]


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(text.encode())


def write_yolo(
    records: Sequence[dict[str, Any]], names: Sequence[str], label_dir: str | os.PathLike[str], *, polygons: bool = True
) -> int:
    """Write a YOLO label file for each image.

    Args:
        records: With `height` and `width`. Crowds are left out.
        names: The file name of each image, relative to the folder of images.
        label_dir: Where `.txt` files go.
        polygons: Whether objects with a segmentation are written as polygons; of several the largest, as YOLO has one
            for an object. Otherwise all are boxes.

    Returns:
        The number of objects.
    """
    count = 0
    for record, name in zip(records, names, strict=True):
        lines = []
        for annotation, (x0, y0, x1, y1) in _objects(record):
            w, h = record["width"], record["height"]
            parts = outlines(annotation) if polygons else []
            values = [(x0 + x1) / 2 / w, (y0 + y1) / 2 / h, (x1 - x0) / w, (y1 - y0) / h]
            if parts:
                largest = max(parts, key=_area)
                values = [min(max(v / (h if at % 2 else w), 0.0), 1.0) for at, v in enumerate(largest)]
            lines.append(f"{annotation['category_id']} " + " ".join(f"{value:.6g}" for value in values) + "\n")
        _put(Path(label_dir) / Path(name).with_suffix(".txt"), "".join(lines))
        count += len(lines)
    return count


def _area(polygon: Sequence[float]) -> float:
    x, y = np.asarray(polygon[0::2]), np.asarray(polygon[1::2])
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def write_voc(
    records: Sequence[dict[str, Any]],
    names: Sequence[str],
    class_names: Sequence[str],
    folder: str | os.PathLike[str],
    split: str,
) -> int:
    """Write Pascal VOC's XML file for each image, and the list of the split. Masks are left out.

    Args:
        records: With `height` and `width`. Crowds are left out.
        names: The file name of each image in `JPEGImages`, without folders; stems differ.
        class_names: The classes in the order of their numbers.
        folder: Gets `Annotations` and `ImageSets/Main`.
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
        for annotation, (x0, y0, x1, y1) in _objects(record):
            one = ElementTree.SubElement(node, "object")
            ElementTree.SubElement(one, "name").text = class_names[annotation["category_id"]]
            ElementTree.SubElement(one, "difficult").text = "0"
            box = ElementTree.SubElement(one, "bndbox")
            # VOC counts pixels from 1, and the last one belongs to the box.
            for side, value in zip(("xmin", "ymin", "xmax", "ymax"), (x0 + 1, y0 + 1, x1, y1), strict=True):
                ElementTree.SubElement(box, side).text = f"{value:.10g}"
            count += 1
        ElementTree.indent(node)
        _put(root / "Annotations" / f"{Path(name).stem}.xml", ElementTree.tostring(node, encoding="unicode") + "\n")
    _put(root / "ImageSets" / "Main" / f"{split}.txt", "".join(f"{Path(name).stem}\n" for name in names))
    return count


def write_labelme(
    records: Sequence[dict[str, Any]], names: Sequence[str], class_names: Sequence[str], folder: str | os.PathLike[str]
) -> int:
    """Write LabelMe's JSON file for each image, beside the place of the image.

    Args:
        records: With `height` and `width`. Crowds are left out.
        names: The file name of each image, relative to `folder`.
        class_names: The classes in the order of their numbers.
        folder: Where the files go. Objects without segmentation become rectangles, those of several parts a group.

    Returns:
        The number of objects.
    """
    count = 0
    for record, name in zip(records, names, strict=True):
        shapes: list[dict[str, Any]] = []
        for number, (annotation, corners) in enumerate(_objects(record)):
            parts = [np.reshape(part, (-1, 2)).tolist() for part in outlines(annotation)]
            kind = "polygon" if parts else "rectangle"
            for points in parts or [[_numbers(corners[:2]), _numbers(corners[2:])]]:
                group = number if len(parts) > 1 else None
                label = class_names[annotation["category_id"]]
                shapes.append({"label": label, "points": points, "shape_type": kind, "group_id": group, "flags": {}})
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
        _put(Path(folder) / Path(name).with_suffix(".json"), json.dumps(content, indent=1))
    return count
