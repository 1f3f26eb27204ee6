"""Reader of the JSON format of the VGG Image Annotator (VIA), versions 1 and 2.

Source: VIA's documentation, "VIA User Guide", and its function `pack_via_metadata`.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from detectory.core.text import short_repr
from detectory.data.formats.annotations import box_annotation, ellipse_polygon, polygon_annotation
from detectory.data.formats.image_records import FindRoot, checked_name, image_record
from detectory.data.formats.json_file import read_json
from detectory.data.formats.report import ConversionReport
from detectory.data.problems import DatasetError, Problem
from detectory.structures.records import Annotation, DatasetRecord

_SHAPES_WITHOUT_AREA = ("point", "polyline", "line")
_CLASS_ATTRIBUTES = ("class", "label", "name", "category", "type", "object")
#: Class of regions without attributes, for annotations with one class.
DEFAULT_CLASS = "object"


def load_via(
    file: str | os.PathLike[str],
    image_root: str | os.PathLike[str] | FindRoot,
    report: ConversionReport | None = None,
) -> tuple[list[DatasetRecord], list[str]]:
    """Read a VIA project or an exported JSON file. The headers of the images are read, VIA does not store sizes.

    Rectangles, polygons, circles and ellipses become objects. The class is the region attribute `class`, `label`,
    `name`, `category`, `type` or `object`, otherwise the only attribute; regions without attributes have the class
    "object".

    Args:
        file: The JSON file.
        image_root: The folder of the images, or a function that returns it for the file and the names of the images.
        report: Counts the objects.

    Returns:
        Records in the standard format with image ids from 1, and the class names, sorted.

    Raises:
        DatasetError: If the file is invalid. The message contains file, image, region and field.
    """
    path, report = Path(file), report if report is not None else ConversionReport()
    content = read_json(path)
    entries = content.get("_via_img_metadata", content) if isinstance(content, dict) else None
    if not isinstance(entries, dict):
        raise DatasetError(Problem(str(path), "", "", "not a VIA file: expected an object with one entry per image"))
    images = [(key, entry) for key, entry in entries.items() if isinstance(entry, dict) and "filename" in entry]
    names = [checked_name(entry["filename"], path, f"image {key}", "filename") for key, entry in images]
    regions = [list(_regions(entry, path, f"image {name}")) for name, (_, entry) in zip(names, images, strict=True)]
    labels = [[_class_of(region) for region in group] for group in regions]
    class_names = sorted({label for group in labels for label in group})
    folder = image_root(path, names) if callable(image_root) else Path(image_root)
    records: list[DatasetRecord] = []
    for name, group, group_labels in zip(names, regions, labels, strict=True):
        annotations = []
        for index, (region, label) in enumerate(zip(group, group_labels, strict=True)):
            place = f"image {name}: region {index}"
            annotation = _annotation(region["shape_attributes"], class_names.index(label), path, place)
            if annotation is None:
                shape = region["shape_attributes"].get("name")
                reason = "has no area" if shape in _SHAPES_WITHOUT_AREA else "is unknown"
                report.skip(f"VIA shape {shape!r} {reason}", f"{path}: {place}")
                continue
            annotations.append(annotation)
            report.keep()
        records.append(image_record(folder / name, len(records) + 1, None, annotations))
    return records, class_names


def _regions(entry: Mapping[str, Any], file: Path, place: str) -> Iterator[dict[str, Any]]:
    """Yield the regions of an image; version 1 stores a mapping, version 2 a list."""
    regions = entry.get("regions") or []
    for index, region in enumerate(regions.values() if isinstance(regions, dict) else regions):
        if not isinstance(region, dict) or not isinstance(region.get("shape_attributes"), dict):
            raise DatasetError(Problem(str(file), f"{place}: region {index}", "shape_attributes", "missing"))
        yield region


def _class_of(region: Mapping[str, Any]) -> str:
    attributes = region.get("region_attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    key = next((key for key in _CLASS_ATTRIBUTES if key in attributes), None)
    key = next(iter(attributes)) if key is None and len(attributes) == 1 else key
    value = attributes.get(key)
    if isinstance(value, dict):  # a checkbox: the selected options
        value = ", ".join(option for option, is_selected in value.items() if is_selected)
    return str(value).strip() if value not in (None, "") else DEFAULT_CLASS


def _annotation(shape: Mapping[str, Any], category: int, file: Path, place: str) -> Annotation | None:
    def numbers(*fields: str) -> Sequence[float]:
        values = [shape.get(field) for field in fields]
        for field, value in zip(fields, values, strict=True):
            if not isinstance(value, (int, float)) or isinstance(value, bool):
                raise DatasetError(Problem(str(file), place, field, f"must be a number, got {short_repr(value)}"))
        return [float(value) for value in values if value is not None]

    name = shape.get("name")
    if name == "rect":
        return box_annotation(category, numbers("x", "y", "width", "height"))
    if name == "circle":
        cx, cy, radius = numbers("cx", "cy", "r")
        return polygon_annotation(category, [ellipse_polygon(cx, cy, radius, radius)])
    if name == "ellipse":
        cx, cy, rx, ry = numbers("cx", "cy", "rx", "ry")
        # Radians clockwise, since version 2.
        angle = numbers("theta")[0] * 57.29577951308232 if "theta" in shape else 0.0
        return polygon_annotation(category, [ellipse_polygon(cx, cy, rx, ry, angle)])
    if name == "polygon":
        xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
        if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys) or len(xs) < 3:
            message = "must be two lists with the coordinates of at least 3 points"
            raise DatasetError(Problem(str(file), place, "all_points_x, all_points_y", message))
        return polygon_annotation(category, [[float(v) for point in zip(xs, ys, strict=True) for v in point]])
    return None
