"""Turn YOLO, LabelMe and Pascal VOC folders into COCO files."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from detectory.core.storage import atomic_write
from detectory.data.detection.images import image_size_of_file
from detectory.data.faults import DatasetError, Fault
from detectory.structures import BoxMode

from .coco_faults import file_name_fault
from .json_file import read_json
from .pascal_voc import load_voc_instances, voc_class_names

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


class _CocoContent:
    """A COCO dataset that grows image by image."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []

    def add_image(self, file_name: str, height: int, width: int) -> None:
        self.images.append({"id": len(self.images) + 1, "file_name": file_name, "height": height, "width": width})

    def add(self, category: int, box: Sequence[float], polygons: list[list[float]] | None = None) -> None:
        """Add an object to the last image; ``box`` is ``[x, y, width, height]``."""
        annotation = {
            "id": len(self.annotations) + 1,
            "image_id": len(self.images),
            "category_id": category + 1,
            "bbox": [round(float(value), 3) for value in box],
            "area": _area(polygons) if polygons else float(box[2] * box[3]),
            "iscrowd": 0,
        }
        if polygons:
            annotation["segmentation"] = polygons
        self.annotations.append(annotation)

    def write(self, output_file: str | os.PathLike[str]) -> int:
        categories = [{"id": number + 1, "name": name} for number, name in enumerate(self.names)]
        content = {"images": self.images, "annotations": self.annotations, "categories": categories}
        with atomic_write(output_file, "w") as file:
            json.dump(content, file)
        return len(self.images)


def _area(polygons: list[list[float]]) -> float:
    total = 0.0
    for polygon in polygons:
        xs, ys = polygon[0::2], polygon[1::2]
        total += abs(sum(xs[i - 1] * ys[i] - xs[i] * ys[i - 1] for i in range(len(xs)))) / 2
    return total


def _hull(polygon: Sequence[float]) -> list[float]:
    left, top = min(polygon[0::2]), min(polygon[1::2])
    return [left, top, max(polygon[0::2]) - left, max(polygon[1::2]) - top]


def _images_below(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise FileNotFoundError(f"no images ({', '.join(IMAGE_SUFFIXES)}) below {folder}")
    return files


def convert_yolo(
    image_dir: str | os.PathLike[str],
    label_dir: str | os.PathLike[str],
    class_names: Sequence[str],
    output_file: str | os.PathLike[str],
) -> int:
    """Turn YOLO's text labels, boxes or polygons, into a COCO file.

    Args:
        image_dir: The folder of images.
        label_dir: The folder of ``.txt`` files with the images' names; an image without one has no objects. A line is
            ``class x_center y_center width height`` or ``class x1 y1 x2 y2 x3 y3 …``, relative to the image.
        class_names: The classes in the order of their numbers.
        output_file: The COCO file; image names in it are relative to ``image_dir``.

    Returns:
        The number of images.

    Raises:
        DatasetError: A line breaks the rules; the message names the file and the line.
    """
    content, root = _CocoContent(class_names), Path(image_dir)
    for path in _images_below(root):
        height, width = image_size_of_file(path)
        name = path.relative_to(root)
        content.add_image(name.as_posix(), height, width)
        labels = Path(label_dir) / name.with_suffix(".txt")
        for category, numbers in _yolo_lines(labels, len(content.names)):
            absolute = [value * (height if at % 2 else width) for at, value in enumerate(numbers)]
            if len(numbers) == 4:
                x, y, w, h = absolute
                content.add(category, [x - w / 2, y - h / 2, w, h])
            else:
                content.add(category, _hull(absolute), [absolute])
    return content.write(output_file)


def _yolo_lines(labels: Path, classes: int) -> Iterator[tuple[int, list[float]]]:
    if not labels.is_file():
        return
    for number, line in enumerate(labels.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            category, *numbers = (float(word) for word in line.split())
        except ValueError as error:
            raise DatasetError(Fault(str(labels), f"line {number}", "", f"expected numbers, got {line!r}")) from error
        if not 0 <= category < classes or category != int(category):
            message = f"expected a class in [0, {classes}), got {line.split()[0]}"
            raise DatasetError(Fault(str(labels), f"line {number}", "class", message))
        if len(numbers) != 4 and (len(numbers) < 6 or len(numbers) % 2):
            message = f"expected 4 numbers of a box or 6 and more of a polygon, got {len(numbers)}"
            raise DatasetError(Fault(str(labels), f"line {number}", "", message))
        if not all(-0.01 <= value <= 1.01 for value in numbers):
            message = f"coordinates are relative and lie in [0, 1], got {line!r}"
            raise DatasetError(Fault(str(labels), f"line {number}", "", message))
        yield int(category), numbers


def convert_labelme(
    folder: str | os.PathLike[str], output_file: str | os.PathLike[str], class_names: Sequence[str] | None = None
) -> int:
    """Turn LabelMe's JSON files into a COCO file.

    Args:
        folder: Has a JSON file for each image. Polygons, rectangles and circles (as polygons of 32 corners) are taken;
            points and lines have no area and are left out. Shapes of one label and ``group_id`` are one object.
        output_file: The COCO file; image names in it are relative to ``folder``.
        class_names: The classes in the order of their numbers; by default all labels, sorted.

    Returns:
        The number of images.

    Raises:
        DatasetError: A file breaks the rules; the message names file, shape and field.
    """
    root = Path(folder)
    files = sorted(root.rglob("*.json"))
    files = [file for file in files if file.resolve() != Path(output_file).resolve()]
    if not files:
        raise FileNotFoundError(f"convert_labelme: no *.json below {root}")
    contents = [(file, _labelme_content(file)) for file in files]
    labels = sorted({shape["label"] for _, content in contents for shape in content["shapes"]})
    coco = _CocoContent(labels if class_names is None else class_names)
    for file, content in contents:
        name = content["imagePath"].replace("\\", "/")
        message = file_name_fault(name)
        if message:
            raise DatasetError(Fault(str(file), "", "imagePath", message))
        relative = (file.parent / name).relative_to(root)
        height, width = content.get("imageHeight"), content.get("imageWidth")
        if not height or not width:
            height, width = image_size_of_file(file.parent / name)
        coco.add_image(relative.as_posix(), int(height), int(width))
        for label, polygons in _labelme_objects(content["shapes"], file):
            if label not in coco.names:
                raise DatasetError(Fault(str(file), "", "label", f"{label!r} is not among the classes {coco.names}"))
            points = [value for polygon in polygons for value in polygon]
            coco.add(coco.names.index(label), _hull(points), polygons)
    return coco.write(output_file)


def _labelme_content(file: Path) -> dict[str, Any]:
    content = read_json(file)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise DatasetError(Fault(str(file), "", "shapes", "no LabelMe file: expected an object with a list 'shapes'"))
    if not isinstance(content.get("imagePath"), str):
        raise DatasetError(Fault(str(file), "", "imagePath", f"expected a name, got {content.get('imagePath')!r}"))
    return content


def _labelme_objects(shapes: list[dict[str, Any]], file: Path) -> Iterator[tuple[str, list[list[float]]]]:
    groups: dict[tuple[str, Any], list[list[float]]] = {}
    for number, shape in enumerate(shapes):
        polygon = _labelme_polygon(shape, file, number)
        if polygon is None:
            continue
        group = shape.get("group_id")
        if group is None:
            yield shape["label"], [polygon]
        else:
            groups.setdefault((shape["label"], group), []).append(polygon)
    for (label, _), polygons in groups.items():
        yield label, polygons


def _labelme_polygon(shape: dict[str, Any], file: Path, number: int) -> list[float] | None:
    points, kind = shape.get("points"), shape.get("shape_type", "polygon")
    place = f"shape {number}"
    if not isinstance(points, list) or not all(isinstance(p, list) and len(p) == 2 for p in points):
        raise DatasetError(Fault(str(file), place, "points", "expected a list of [x, y]"))
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for point in points for value in point):
        raise DatasetError(Fault(str(file), place, "points", "coordinates must be finite numbers"))
    if kind == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        return [x0, y0, x1, y0, x1, y1, x0, y1]
    if kind == "circle" and len(points) == 2:
        (x, y), (edge_x, edge_y) = points
        radius = math.hypot(edge_x - x, edge_y - y)
        angles = [2 * math.pi * step / 32 for step in range(32)]
        return [value for a in angles for value in (x + radius * math.cos(a), y + radius * math.sin(a))]
    if kind == "polygon" and len(points) >= 3:
        return [float(value) for point in points for value in point]
    if kind in ("polygon", "rectangle", "circle"):
        raise DatasetError(Fault(str(file), place, "points", f"a {kind} of {len(points)} points has no area"))
    return None


def convert_voc(
    dirname: str | os.PathLike[str],
    split: str,
    output_file: str | os.PathLike[str],
    class_names: Sequence[str] | None = None,
) -> int:
    """Turn a folder in Pascal VOC's format, of any classes, into a COCO file.

    Args:
        dirname: Has ``Annotations``, ``ImageSets/Main`` and ``JPEGImages``.
        split: The name of a list in ``ImageSets/Main``.
        output_file: The COCO file; image names in it are relative to ``JPEGImages``.
        class_names: The classes in the order of their numbers; by default all names, sorted.

    Returns:
        The number of images.
    """
    names = voc_class_names(os.fspath(dirname), split) if class_names is None else list(class_names)
    coco = _CocoContent(names)
    for record in load_voc_instances(os.fspath(dirname), split, names):
        coco.add_image(os.path.basename(record["file_name"]), record["height"], record["width"])
        for annotation in record["annotations"]:
            box = BoxMode.convert(annotation["bbox"], annotation["bbox_mode"], BoxMode.XYWH_ABS)
            coco.add(annotation["category_id"], box)
    return coco.write(output_file)
