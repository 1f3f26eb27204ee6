"""Reader of CVAT's XML format "CVAT for images 1.1".

Source: CVAT's documentation, "CVAT format".
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from detectory.data.formats.annotations import (
    box_annotation,
    ellipse_polygon,
    mask_annotation,
    polygon_annotation,
    rotated_annotation,
)
from detectory.data.formats.coco.categories import described_keypoints
from detectory.data.formats.coco.reader import LoadedDataset
from detectory.data.formats.image_records import FindRoot, checked_name, image_record
from detectory.data.formats.report import ConversionReport
from detectory.data.formats.voc.xml_file import parse_xml
from detectory.data.problems import DatasetError, Problem
from detectory.structures.records import Annotation, DatasetRecord

from .skeletons import Skeleton, skeleton_annotation, skeletons_of

_SHAPES_WITHOUT_AREA = ("points", "polyline", "tag")


def load_cvat(
    file: str | os.PathLike[str],
    image_root: str | os.PathLike[str] | FindRoot,
    report: ConversionReport | None = None,
) -> LoadedDataset:
    """Read a file in the format "CVAT for images 1.1". Images are not read.

    Boxes, rotated boxes, polygons, ellipses, masks and skeletons become objects. Polygons and masks with the same
    `group_id` stay separate objects. Points, polylines and tags have no area and are skipped; so are cuboids.

    Args:
        file: The XML file, usually `annotations.xml`.
        image_root: The folder of the images, or a function that returns it for the file and the names of the images.
        report: Counts the objects.

    Returns:
        Records in the standard format with image ids from 1, and as metadata the class names in the order of the file's
        labels, and the keypoints of the first skeleton.

    Raises:
        DatasetError: If the file is invalid. The message contains file, image, shape and field.
    """
    path, report = Path(file), report if report is not None else ConversionReport()
    root = parse_xml(str(path))
    nodes = list(root.iter("image"))
    names = [checked_name(node.get("name"), path, f"image {index}", "name") for index, node in enumerate(nodes)]
    skeletons = skeletons_of(root)
    _report_tracks(root, path, bool(nodes), report)
    labels = [
        (node.findtext("name") or "").strip()
        for node in root.iter("label")
        if node.find("name") is not None and not node.findtext("parent")
    ]
    used = {shape.get("label", "") for node in nodes for shape in node}
    class_names = [*dict.fromkeys(labels), *sorted(used - set(labels) - {""})]
    folder = image_root(path, names) if callable(image_root) else Path(image_root)
    records: list[DatasetRecord] = []
    for node, name in zip(nodes, names, strict=True):
        place = f"image {name}"
        size = tuple(int(_number(node, side, path, place)) for side in ("height", "width"))
        annotations = list(_annotations(node, class_names, skeletons, (size[0], size[1]), path, place, report))
        records.append(image_record(folder / name, len(records) + 1, (size[0], size[1]), annotations))
    first = next(iter(skeletons.values()), None)
    keypoints = described_keypoints(first.names, skeleton=first.edges) if first is not None else {}
    return LoadedDataset(records, {"thing_classes": class_names, **keypoints})


def _report_tracks(root: ElementTree.Element, file: Path, has_images: bool, report: ConversionReport) -> None:
    """Count the shapes of tracks, which belong to frames of a video and not to image files.

    Raises:
        DatasetError: If the file contains only tracks.
    """
    hint = "Export the task as 'CVAT for images 1.1', with its images"
    tracks = list(root.iter("track"))
    if tracks and not has_images:
        raise DatasetError(
            Problem(str(file), "", "", f"contains {len(tracks)} tracks of a video and no images. {hint}")
        )
    for track in tracks:
        for shape in track:
            if shape.get("outside") != "1":
                place = f"{file}: track {track.get('id')}: frame {shape.get('frame')}"
                report.skip(f"a shape of a CVAT track belongs to a frame of a video. {hint}", place)


def _annotations(
    node: ElementTree.Element,
    class_names: Sequence[str],
    skeletons: Mapping[str, Skeleton],
    size: tuple[int, int],
    file: Path,
    place: str,
    report: ConversionReport,
) -> list[Annotation]:
    annotations = []
    for index, shape in enumerate(node):
        where = f"{place}: {shape.tag} {index}"
        if shape.tag in _SHAPES_WITHOUT_AREA:
            report.skip(f"CVAT shape {shape.tag!r} has no area", f"{file}: {where}")
            continue
        if shape.tag == "cuboid":
            report.skip("a CVAT cuboid is not a box, a polygon or a mask", f"{file}: {where}")
            continue
        category = class_names.index(shape.get("label", "")) if shape.get("label") else None
        if category is None:
            raise DatasetError(Problem(str(file), where, "label", "missing"))
        if shape.tag == "skeleton":
            annotations.append(skeleton_annotation(shape, category, skeletons, file, where))
            report.keep()
            report.change(
                "a CVAT skeleton has no box: the object gets the box around its keypoints", f"{file}: {where}"
            )
            continue
        annotation = _annotation(shape, category, size, file, where)
        if annotation is None:
            report.skip(f"unknown CVAT shape {shape.tag!r}", f"{file}: {where}")
            continue
        annotations.append(annotation)
        report.keep()
    return annotations


def _annotation(
    shape: ElementTree.Element, category: int, size: tuple[int, int], file: Path, place: str
) -> Annotation | None:
    def number(field: str) -> float:
        return _number(shape, field, file, place)

    angle = number("rotation") if "rotation" in shape.attrib else 0.0
    if shape.tag == "box":
        x1, y1, x2, y2 = (number(field) for field in ("xtl", "ytl", "xbr", "ybr"))
        if angle:
            # CVAT rotates clockwise, the standard format counterclockwise.
            return rotated_annotation(category, [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, -angle])
        return box_annotation(category, [x1, y1, x2 - x1, y2 - y1])
    if shape.tag == "polygon":
        return polygon_annotation(category, [_points(shape, file, place)])
    if shape.tag == "ellipse":
        ellipse = ellipse_polygon(number("cx"), number("cy"), number("rx"), number("ry"), angle)
        return polygon_annotation(category, [ellipse])
    if shape.tag == "mask":
        return _mask_annotation(shape, category, size, file, place)
    return None


def _mask_annotation(
    shape: ElementTree.Element, category: int, size: tuple[int, int], file: Path, place: str
) -> Annotation | None:
    """Decode a mask: run lengths in rows of the box of the mask, background first."""
    left, top, width, height = (int(_number(shape, key, file, place)) for key in ("left", "top", "width", "height"))
    try:
        runs = [int(run) for run in shape.get("rle", "").split(",")]
    except ValueError as error:
        raise DatasetError(Problem(str(file), place, "rle", f"must be integers: {error}")) from error
    is_inside = left >= 0 and top >= 0 and left + width <= size[1] and top + height <= size[0]
    if not is_inside or min(runs) < 0 or sum(runs) != width * height:
        message = f"must have runs that sum to {width} * {height} pixels inside the image, got {sum(runs)}"
        raise DatasetError(Problem(str(file), place, "rle", message))
    mask = np.zeros(size, dtype=bool)
    values = np.arange(len(runs)) % 2 == 1
    mask[top : top + height, left : left + width] = np.repeat(values, runs).reshape(height, width)
    return mask_annotation(category, mask)


def _points(shape: ElementTree.Element, file: Path, place: str) -> list[float]:
    try:
        points = [[float(value) for value in point.split(",")] for point in shape.get("points", "").split(";")]
    except ValueError as error:
        raise DatasetError(Problem(str(file), place, "points", f"must be numbers: {error}")) from error
    if len(points) < 3 or any(len(point) != 2 for point in points):
        raise DatasetError(Problem(str(file), place, "points", "must be at least 3 points 'x,y' separated by ';'"))
    return [value for point in points for value in point]


def _number(node: ElementTree.Element, field: str, file: Path, place: str) -> float:
    attributes: Mapping[str, str] = node.attrib
    try:
        return float(attributes[field])
    except KeyError as error:
        raise DatasetError(Problem(str(file), place, field, "missing")) from error
    except ValueError as error:
        raise DatasetError(Problem(str(file), place, field, f"must be a number, got {attributes[field]!r}")) from error
