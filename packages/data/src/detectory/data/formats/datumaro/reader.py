"""Reader of Datumaro's JSON format.

Source: Datumaro's documentation, "Datumaro format".
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detectory.core.text import short_repr
from detectory.data.formats.annotations import (
    box_annotation,
    ellipse_polygon,
    keypoint_annotation,
    polygon_annotation,
    rotated_annotation,
)
from detectory.data.formats.coco.categories import described_keypoints
from detectory.data.formats.coco.geometry import box_problem, segmentation_problems, stored_box
from detectory.data.formats.coco.reader import LoadedDataset
from detectory.data.formats.coco.rle import compress_rle
from detectory.data.formats.image_records import FindRoot, checked_name, image_record, with_image_suffix
from detectory.data.formats.json_file import read_json
from detectory.data.formats.report import ConversionReport
from detectory.data.problems import DatasetError, Problem
from detectory.structures.records import Annotation, DatasetRecord

from .keypoints import PointCategory, is_keypoints, keypoint_values, point_categories


def load_datumaro(
    file: str | os.PathLike[str],
    image_root: str | os.PathLike[str] | FindRoot,
    report: ConversionReport | None = None,
) -> LoadedDataset:
    """Read a Datumaro JSON file. Images are read only if the file does not contain their size.

    Boxes, rotated boxes, polygons, ellipses, masks, keypoints (`points` of a label with named points) and skeletons
    become objects. Keypoints belong to the box or mask of the same label in the same group. Other annotations, such as
    labels of whole images, are skipped.

    Args:
        file: The JSON file, usually `annotations/<split>.json`.
        image_root: The folder of the images, or a function that returns it for the file and the names of the images.
        report: Counts the objects.

    Returns:
        Records in the standard format with image ids from 1, and as metadata the class names and ids in the order of
        the file, and the keypoints of the first label that has some.

    Raises:
        DatasetError: If the file is invalid. The message contains file, item, annotation and field.
    """
    path, report = Path(file), report if report is not None else ConversionReport()
    content = read_json(path)
    class_names = _class_names(content, path)
    described = point_categories(content, class_names)
    items = content["items"]
    names = [checked_name(_image_name(item), path, f"item {i}", "image.path") for i, item in enumerate(items)]
    folder = image_root(path, names) if callable(image_root) else Path(image_root)
    records: list[DatasetRecord] = []
    for item, name in zip(items, names, strict=True):
        annotations = _annotations(item, class_names, described, path, report)
        size = (item.get("image") or {}).get("size")
        image = with_image_suffix(folder, name)
        records.append(image_record(image, len(records) + 1, None if size is None else tuple(size), annotations))
    first = next(iter(described.values()), None)
    keypoints = described_keypoints(first.names, skeleton=first.edges) if first is not None else {}
    ids = {index: index for index in range(len(class_names))}
    metadata = {"thing_classes": class_names, "thing_dataset_id_to_contiguous_id": ids, **keypoints}
    return LoadedDataset(records, metadata)


def _annotations(
    item: Mapping[str, Any],
    class_names: Sequence[str],
    described: Mapping[int, PointCategory],
    file: Path,
    report: ConversionReport,
) -> list[Annotation]:
    annotations: list[Annotation] = []
    groups: dict[tuple[int, int], Annotation] = {}
    keypoints = []
    for index, annotation in enumerate(item.get("annotations") or []):
        place = f"item {item.get('id')}: annotation {index}"
        if is_keypoints(annotation, described):
            keypoints.append((annotation, place))
            continue
        converted = _annotation(annotation, len(class_names), file, place)
        if converted is None:
            report.skip(f"Datumaro annotation {annotation.get('type')!r} is not an object", f"{file}: {place}")
            continue
        annotations.append(converted)
        report.keep()
        if annotation.get("group"):
            groups.setdefault((annotation["group"], converted["category_id"]), converted)
    for annotation, place in keypoints:
        values = keypoint_values(annotation, described, file, place)
        owner = groups.pop((annotation.get("group") or 0, annotation["label_id"]), None)
        if owner is not None:
            owner["keypoints"] = values
            continue
        annotations.append(keypoint_annotation(annotation["label_id"], values))
        report.keep()
        report.change("the keypoints have no box: the object gets the box around them", f"{file}: {place}")
    return annotations


def _class_names(content: Any, file: Path) -> list[str]:
    try:
        labels = content["categories"]["label"]["labels"]
        names = [label["name"] for label in labels]
        items = content["items"]
    except (KeyError, TypeError) as error:
        message = "not a Datumaro file: expected 'categories.label.labels' and 'items'"
        raise DatasetError(Problem(str(file), "", "", message)) from error
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise DatasetError(Problem(str(file), "", "items", "must be a list of objects"))
    return [str(name) for name in names]


def _image_name(item: Mapping[str, Any]) -> Any:
    """Return the file name of an item; without an image, the id is the name without its suffix."""
    image = item.get("image")
    return (image.get("path") if isinstance(image, dict) else None) or item.get("id")


def _annotation(annotation: Mapping[str, Any], num_classes: int, file: Path, place: str) -> Annotation | None:
    shape, category = annotation.get("type"), annotation.get("label_id")
    if shape not in ("bbox", "rotated_bbox", "polygon", "mask", "ellipse"):
        return None
    if not isinstance(category, int) or not 0 <= category < num_classes:
        message = f"must be an integer in [0, {num_classes}), got {short_repr(category)}"
        raise DatasetError(Problem(str(file), place, "label_id", message))
    if shape == "bbox":
        box = annotation.get("bbox")
        _raise(box_problem(box), file, place, "bbox")
        values, mode = stored_box({"bbox": _floats(box), "attributes": annotation.get("attributes")})
        return {"category_id": category, "bbox": values, "bbox_mode": mode, "iscrowd": 0}
    if shape == "rotated_bbox":
        cx, cy, width, height, angle = _floats(annotation.get("bbox") or annotation.get("points"), 5, file, place)
        return rotated_annotation(category, [cx, cy, width, height, -angle])
    if shape == "ellipse":
        x1, y1, x2, y2 = _floats(annotation.get("points"), 4, file, place)
        return polygon_annotation(
            category, [ellipse_polygon((x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2, (y2 - y1) / 2)]
        )
    segmentation = [annotation.get("points")] if shape == "polygon" else annotation.get("rle")
    for _, message in segmentation_problems(segmentation, None):
        _raise(message, file, place, "points" if shape == "polygon" else "rle")
    if shape == "polygon":
        return polygon_annotation(category, [_floats(annotation["points"])])
    return _mask(annotation, category)


def _mask(annotation: Mapping[str, Any], category: int) -> Annotation:
    import pycocotools.mask

    rle = compress_rle(annotation["rle"])
    converted = box_annotation(category, [float(value) for value in pycocotools.mask.toBbox(rle)])
    converted["segmentation"] = rle  # type: ignore[typeddict-item]
    return converted


def _floats(values: Any, count: int | None = None, file: Path = Path(), place: str = "") -> Sequence[float]:
    is_valid = isinstance(values, list) and all(isinstance(value, (int, float)) for value in values)
    if not is_valid or (count is not None and len(values) != count):
        _raise(f"must be {count} numbers, got {short_repr(values)}", file, place, "points")
    return [float(value) for value in values]


def _raise(message: str | None, file: Path, place: str, field: str) -> None:
    if message:
        raise DatasetError(Problem(str(file), place, field, message))
