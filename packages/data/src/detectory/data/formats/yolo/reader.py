"""Reader of YOLO's text format: one label file per image."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from detectory.data.formats.annotations import (
    box_annotation,
    corners_to_rotated,
    polygon_annotation,
    rotated_annotation,
    smallest_rectangle,
)
from detectory.data.formats.report import ConversionReport
from detectory.data.images.reading import image_size_of_file
from detectory.data.problems import DatasetError, Problem
from detectory.structures.records import Annotation, DatasetRecord

from .images import images_with_labels, labels_without_image
from .text import read_lines

# Writers round relative coordinates: values slightly outside [0, 1] are accepted.
_TOLERANCE = 0.01


def load_yolo(
    image_dir: str | os.PathLike[str],
    label_dir: str | os.PathLike[str],
    class_names: Sequence[str],
    *,
    list_file: str | os.PathLike[str] | None = None,
    keypoint_shape: tuple[int, int] | None = None,
    is_rotated: bool | None = None,
    report: ConversionReport | None = None,
) -> list[DatasetRecord]:
    """Read YOLO labels: boxes, polygons, keypoints or rotated boxes. Only the headers of the images are read.

    Args:
        image_dir: The folder of the images.
        label_dir: The folder of the label files: `.txt` files with the names of the images. An image without a label
            file has no objects. Lines are `class x_center y_center width height`, followed by the keypoints in pose
            labels, or `class x1 y1 x2 y2 x3 y3 …`, with coordinates relative to the size of the image.
        class_names: The class names in the order of the class ids.
        list_file: A list of the images; see `images_with_labels`.
        keypoint_shape: Pose labels: the number of keypoints, and 2 or 3 values per keypoint; see `YoloConfig`.
        is_rotated: Whether polygons with four corners are rotated boxes. None: they are if every object of the split
            has four corners that form a rectangle, and at least one rectangle is not parallel to the axes.
        report: Counts the objects.

    Returns:
        Records in the standard format. Image ids start at 1 and follow the order of the file names.

    Raises:
        FileNotFoundError: If `image_dir` contains no images.
        DatasetError: If a label file is invalid. The message contains the file and the line.
    """
    records: list[DatasetRecord] = []
    images = images_with_labels(Path(image_dir), Path(label_dir), None if list_file is None else Path(list_file))
    for path, labels in images:
        height, width = image_size_of_file(path)
        annotations = []
        for item in parse_label_file(labels, len(class_names), keypoint_shape):
            if isinstance(item, Problem):
                raise DatasetError(item)
            annotations.append(_annotation(*item, height, width, keypoint_shape))
        records.append(
            {
                "file_name": str(path),
                "image_id": len(records) + 1,
                "height": height,
                "width": width,
                "annotations": annotations,
            }
        )
    if is_rotated or (is_rotated is None and _are_rotated(records)):
        _rotate(records, report)
    if report is not None:
        report.keep(sum(len(record["annotations"]) for record in records))
        for file in labels_without_image(Path(label_dir), images) if Path(label_dir) != Path(image_dir) else ():
            for item in parse_label_file(file, len(class_names), keypoint_shape):
                place = item.id if isinstance(item, Problem) else ""
                report.skip("the label file has no image", f"{file}{place and ': '}{place}")
    return records


def _annotation(
    category: int, values: list[float], height: int, width: int, keypoint_shape: tuple[int, int] | None
) -> Annotation:
    if len(values) == 4 or keypoint_shape is not None:
        x, y, w, h = (value * side for value, side in zip(values[:4], (width, height, width, height), strict=True))
        annotation = box_annotation(category, [x - w / 2, y - h / 2, w, h])
        if keypoint_shape is not None and len(values) > 4:
            annotation["keypoints"] = _keypoints(values[4:], keypoint_shape[1], height, width)
        return annotation
    polygon = [value * (height if position % 2 else width) for position, value in enumerate(values)]
    return polygon_annotation(category, [polygon])


def _keypoints(values: list[float], dimensions: int, height: int, width: int) -> list[float]:
    """Return `[x, y, visibility, …]`; without visibilities, keypoints at (0, 0) or outside the image are unlabelled."""
    keypoints: list[float] = []
    for start in range(0, len(values), dimensions):
        x, y = values[start : start + 2]
        is_labelled = (x, y) != (0, 0) and x >= 0 and y >= 0
        visibility = values[start + 2] if dimensions == 3 else 2 * is_labelled
        keypoints += [x * width, y * height, int(visibility)] if visibility else [0.0, 0.0, 0]
    return keypoints


def _are_rotated(records: Sequence[DatasetRecord]) -> bool:
    """Return whether all objects are rectangles with four corners, and at least one is not parallel to the axes."""
    polygons = [a.get("segmentation") for record in records for a in record["annotations"]]
    is_tilted = False
    for polygon in polygons:
        corners = polygon[0] if isinstance(polygon, list) else []
        box = corners_to_rotated(corners) if len(corners) == 8 else None
        if box is None:
            return False
        is_tilted |= min(len(set(corners[0::2])), len(set(corners[1::2]))) > 2
    return is_tilted


def _rotate(records: Sequence[DatasetRecord], report: ConversionReport | None) -> None:
    """Replace polygons with four corners by rotated boxes: the smallest ones around corners of other quadrilaterals."""
    for record in records:
        for index, annotation in enumerate(record["annotations"]):
            segmentation = annotation.get("segmentation")
            corners = segmentation[0] if isinstance(segmentation, list) else []
            if len(corners) != 8:
                continue
            box = corners_to_rotated(corners)
            if box is None:
                box = smallest_rectangle(corners)
                if report is not None:
                    place = f"{record['file_name']}: object {index}"
                    report.change("a quadrilateral becomes the smallest rotated rectangle around it", place)
            record["annotations"][index] = rotated_annotation(annotation["category_id"], box)


def parse_label_file(
    file: Path, num_classes: int, keypoint_shape: tuple[int, int] | None = None
) -> Iterator[tuple[int, list[float]] | Problem]:
    """Yield the class and the relative coordinates per line of a label file, or a problem per invalid line.

    Nothing is yielded if the file does not exist. `keypoint_shape` is that of `YoloConfig`.
    """
    if not file.is_file():
        return
    lines = read_lines(file)
    if isinstance(lines, Problem):
        yield lines
        return
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _parse_line(line, num_classes, keypoint_shape, str(file), f"line {number}")


def _parse_line(
    line: str, num_classes: int, keypoint_shape: tuple[int, int] | None, file: str, place: str
) -> tuple[int, list[float]] | Problem:
    try:
        category, *values = (float(word) for word in line.split())
    except ValueError as error:
        return Problem(file, place, "", f"must contain only numbers: {error}")
    if not 0 <= category < num_classes or category != int(category):
        return Problem(file, place, "class", f"must be an integer in [0, {num_classes}), got {line.split()[0]}")
    message = _count_problem(len(values), keypoint_shape)
    if message:
        return Problem(file, place, "", message)
    coordinates = values
    if keypoint_shape is not None:
        dimensions = keypoint_shape[1]
        # Unlabelled keypoints may have any coordinates; visibilities are 0, 1 or 2.
        coordinates = values[:4]
        if dimensions == 3 and not {0, 1, 2}.issuperset(values[6::3]):
            return Problem(file, place, "", "the visibility of a keypoint must be 0, 1 or 2")
    for value in coordinates:
        if not -_TOLERANCE <= value <= 1 + _TOLERANCE:
            return Problem(file, place, "", f"coordinates must be relative to the image, in [0, 1], got {value:g}")
    return int(category), values


def _count_problem(count: int, keypoint_shape: tuple[int, int] | None) -> str | None:
    if keypoint_shape is not None:
        keypoints, dimensions = keypoint_shape
        expected = 4 + keypoints * dimensions
        if count in (4, expected):
            return None
        return f"must have {expected} values, a box and {keypoints} keypoints of {dimensions} values, got {count}"
    if count != 4 and (count < 6 or count % 2):
        return f"must have 4 coordinates (a box), or an even number of at least 6 (a polygon), got {count}"
    return None
