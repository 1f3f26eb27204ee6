"""Writer of YOLO's text format."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detectory.data.formats.annotations import rotated_corners
from detectory.data.formats.coco.categories import flip_indices, keypoint_category
from detectory.data.formats.mask_outlines import join_polygons
from detectory.data.formats.objects import annotation_outlines, has_other_box, visible_objects, write_text
from detectory.data.formats.report import ConversionReport
from detectory.structures import BoxMode

# A tenth of a pixel in an image of 10,000 pixels.
_DIGITS = 8


def write_yolo(
    records: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    label_dir: str | os.PathLike[str],
    *,
    polygons: bool = True,
    keypoint_shape: tuple[int, int] | None = None,
    is_rotated: bool = False,
    report: ConversionReport | None = None,
) -> int:
    """Write a YOLO label file per image. Crowd regions are not written.

    A YOLO dataset has one label type; see `yolo_label_type`. YOLO stores one polygon per object: the parts and the
    holes of an object are joined by bridges, see `join_polygons`.

    Args:
        records: Records with `height` and `width`.
        names: The file name of each image, relative to the image folder.
        label_dir: The folder of the label files.
        polygons: Whether to write objects with a segmentation as polygons, otherwise as boxes.
        keypoint_shape: `(number of keypoints, 3)` to write boxes and keypoints, otherwise None.
        is_rotated: Whether to write the four corners of all boxes.
        report: Counts the objects and what the format cannot express.

    Returns:
        The number of objects.
    """
    report = report if report is not None else ConversionReport()
    before = report.kept
    for record, name in zip(records, names, strict=True):
        size = record["width"], record["height"]
        lines = []
        for index, (annotation, box) in enumerate(visible_objects(record, report)):
            place = f"{record.get('file_name', name)}: object {index}"
            _report_losses(annotation, report, place, keypoint_shape is not None, is_rotated)
            if keypoint_shape is not None:
                values = _relative_box(box, size) + _keypoints(annotation, keypoint_shape[0], size)
            elif is_rotated:
                values = _relative(_corners(annotation, box), size)
            else:
                values = _polygon_or_box(annotation, box, size, polygons, report, place)
            numbers = " ".join(f"{value:.{_DIGITS}g}" for value in values)
            lines.append(f"{annotation['category_id']} {numbers}\n")
        write_text(Path(label_dir) / Path(name).with_suffix(".txt"), "".join(lines))
    return report.kept - before


def yolo_label_type(records: Sequence[Mapping[str, Any]]) -> tuple[tuple[int, int] | None, bool]:
    """Return the label type of records as `(keypoint_shape, is_rotated)` for `write_yolo` and `write_yolo_config`.

    Keypoints need the same number in all objects that have some; rotated boxes are written if any box is rotated.
    """
    annotations = [a for record in records for a in record.get("annotations", []) if not a.get("iscrowd", 0)]
    counts = {np.asarray(a["keypoints"]).size // 3 for a in annotations if a.get("keypoints") is not None}
    if len(counts) == 1 and (count := counts.pop()) > 0:
        return (count, 3), False
    return None, any(BoxMode(a["bbox_mode"]) == BoxMode.XYWHA_ABS for a in annotations)


def write_yolo_config(
    folder: str | os.PathLike[str],
    class_names: Sequence[str],
    splits: Sequence[str],
    *,
    keypoint_shape: tuple[int, int] | None = None,
    keypoints: Mapping[str, Any] | None = None,
    is_rotated: bool = False,
) -> None:
    """Write `data.yaml` with the image folder per split and the class names, as Ultralytics reads it.

    Ultralytics requires `train` and `val`. If a split is missing, the other one is used for both. `keypoints` are
    metadata with names, flip pairs and skeleton of the keypoints, see `keypoint_metadata`.
    """
    folders = {split: f"images/{split}" for split in dict.fromkeys(splits)}
    roles = {role: next((s for s in folders if s.startswith(role)), None) for role in ("train", "val")}
    any_split = roles["train"] or roles["val"] or next(iter(folders))
    required = {role: folders[split or any_split] for role, split in roles.items()}
    lines = [f"{json.dumps(split)}: {json.dumps(path)}" for split, path in {**required, **folders}.items()]
    if keypoint_shape is not None:
        lines.append(f"kpt_shape: {json.dumps(list(keypoint_shape))}")
        lines += _keypoint_lines(keypoints or {}, keypoint_shape[0], len(class_names))
    if is_rotated:
        lines.append("task: obb")
    lines += [
        "names:",
        *(f"  {index}: {json.dumps(name, ensure_ascii=False)}" for index, name in enumerate(class_names)),
    ]
    # Without `path`, Ultralytics takes the folder of the file. It reads a relative `path` relative to its datasets.
    write_text(Path(folder) / "data.yaml", "\n".join(lines) + "\n")


def _keypoint_lines(metadata: Mapping[str, Any], count: int, num_classes: int) -> list[str]:
    """Return the lines that describe keypoints, if the metadata do; see `keypoint_metadata`.

    Ultralytics reads `flip_idx` and `kpt_names`, which has the names per class, and ignores `skeleton`.
    """
    fields = keypoint_category(metadata, {count})
    if fields["keypoints"] != list(metadata.get("keypoint_names") or ()):
        return []
    names = json.dumps(fields["keypoints"], ensure_ascii=False)
    lines = [f"flip_idx: {json.dumps(flip_indices(metadata))}", "kpt_names:"]
    lines += [f"  {index}: {names}" for index in range(num_classes)]
    return [*lines, f"skeleton: {json.dumps(fields['skeleton'])}"] if fields["skeleton"] else lines


def _polygon_or_box(
    annotation: Mapping[str, Any],
    box: Sequence[float],
    size: tuple[int, int],
    polygons: bool,
    report: ConversionReport,
    place: str,
) -> list[float]:
    parts, holes = annotation_outlines(annotation) if polygons else ([], [])
    if not parts:
        return _relative_box(box, size)
    polygon = join_polygons([*parts, *holes])
    if has_other_box(box, polygon):
        report.change("YOLO stores no box with a polygon: the box becomes the one around the polygon", place)
    return _relative(polygon, size)


def _report_losses(
    annotation: Mapping[str, Any], report: ConversionReport, place: str, is_pose: bool, is_rotated: bool
) -> None:
    if annotation.get("difficult"):
        report.change("YOLO has no mark for difficult objects", place)
    if annotation.get("keypoints") is not None and not is_pose:
        report.change("keypoints of different numbers cannot be written: the object has no keypoints", place)
    if (is_pose or is_rotated) and annotation.get("segmentation"):
        report.change("YOLO has one label type per dataset: the object has no mask", place)
    if is_pose and BoxMode(annotation["bbox_mode"]) == BoxMode.XYWHA_ABS:
        report.change("YOLO has one label type per dataset: the rotated box becomes the box around it", place)


def _corners(annotation: Mapping[str, Any], box: Sequence[float]) -> list[float]:
    if BoxMode(annotation["bbox_mode"]) == BoxMode.XYWHA_ABS:
        return rotated_corners(annotation["bbox"])
    x1, y1, x2, y2 = box
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def _keypoints(annotation: Mapping[str, Any], count: int, size: tuple[int, int]) -> list[float]:
    keypoints = annotation.get("keypoints")
    if keypoints is None:
        return [0.0] * (3 * count)
    points = np.asarray(keypoints, dtype=np.float64).reshape(-1, 3)
    return [value for x, y, v in points.tolist() for value in ((x / size[0], y / size[1], v) if v else (0.0, 0.0, 0.0))]


def _relative_box(box: Sequence[float], size: tuple[int, int]) -> list[float]:
    x1, y1, x2, y2 = box
    width, height = size
    return [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]


def _relative(values: Sequence[float], size: tuple[int, int]) -> list[float]:
    """Return coordinates as fractions of the image size, moved into the image."""
    return [min(max(value / size[position % 2], 0.0), 1.0) for position, value in enumerate(values)]
