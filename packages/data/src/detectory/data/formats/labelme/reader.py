"""Datasets in LabelMe's format: a JSON file of shapes for each image."""

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from detectory.data.formats.coco.problems import file_name_problem
from detectory.data.formats.json_file import read_json
from detectory.data.images.reading import image_size_of_file
from detectory.data.problems import DatasetError, Problem
from detectory.structures import BoxMode

CIRCLE_CORNERS = 32


def load_labelme(
    folder: str | os.PathLike[str], class_names: Sequence[str] | None = None, ignore: Sequence[Path] = ()
) -> tuple[list[dict[str, Any]], list[str]]:
    """Load LabelMe's JSON files. Images are not read unless their size is missing.

    Args:
        folder: Has a JSON file for each image. Polygons, rectangles and circles (as polygons of 32 corners) are taken;
            points and lines have no area and are left out. Shapes of one label and `group_id` are one object.
        class_names: The classes in the order of their numbers; by default all labels, sorted.
        ignore: JSON files below the folder that are no LabelMe files.

    Returns:
        Dicts of the standard format, whose image ids count from 1, and the names of the classes.

    Raises:
        DatasetError: A file breaks the rules; the message names file, shape and field.
    """
    root, skipped = Path(folder), {path.resolve() for path in ignore}
    files = [file for file in sorted(root.rglob("*.json")) if file.resolve() not in skipped]
    if not files:
        raise FileNotFoundError(f"load_labelme: no *.json below {root}")
    contents = [(file, labelme_content(file)) for file in files]
    names = sorted({shape["label"] for _, content in contents for shape in content["shapes"]})
    names = names if class_names is None else list(class_names)
    records: list[dict[str, Any]] = []
    for file, content in contents:
        problems = [item for item in labelme_objects(content, file, names) if isinstance(item, Problem)]
        if problems:
            raise DatasetError(problems[0])
        path = file.parent / content["imagePath"].replace("\\", "/")
        height, width = content.get("imageHeight"), content.get("imageWidth")
        if not height or not width:
            height, width = image_size_of_file(path)
        annotations = [
            _annotation(names.index(item[0]), item[1])
            for item in labelme_objects(content, file, names)
            if not isinstance(item, Problem)
        ]
        records.append(
            {
                "file_name": str(path),
                "image_id": len(records) + 1,
                "height": int(height),
                "width": int(width),
                "annotations": annotations,
            }
        )
    return records, names


def _annotation(category: int, polygons: list[list[float]]) -> dict[str, Any]:
    xs, ys = [v for polygon in polygons for v in polygon[0::2]], [v for polygon in polygons for v in polygon[1::2]]
    return {
        "category_id": category,
        "bbox": [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)],
        "bbox_mode": BoxMode.XYWH_ABS,
        "iscrowd": 0,
        "segmentation": polygons,
    }


def labelme_content(file: Path) -> dict[str, Any]:
    """Read a file and see that it is one of LabelMe's, with a label for every shape."""
    content = read_json(file)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise DatasetError(Problem(str(file), "", "shapes", "no LabelMe file: expected an object with a list 'shapes'"))
    message = file_name_problem(content["imagePath"].replace("\\", "/")) if _is_text(content.get("imagePath")) else None
    if not _is_text(content.get("imagePath")):
        message = f"expected a name, got {content.get('imagePath')!r}"
    if message:
        raise DatasetError(Problem(str(file), "", "imagePath", message))
    for number, shape in enumerate(content["shapes"]):
        if not isinstance(shape, dict) or not _is_text(shape.get("label")):
            raise DatasetError(Problem(str(file), f"shape {number}", "label", "expected an object with a text 'label'"))
    return content


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def labelme_objects(
    content: dict[str, Any], file: Path, names: Sequence[str] | None
) -> Iterator[tuple[str, list[list[float]]] | Problem]:
    """Yield `(label, polygons)` of a file's objects, and a problem in the place of each bad shape."""
    groups: dict[tuple[str, Any], list[list[float]]] = {}
    for number, shape in enumerate(content["shapes"]):
        label, place = shape["label"], f"shape {number}"
        if names is not None and label not in names:
            yield Problem(str(file), place, "label", f"{label!r} is not among the classes {list(names)}")
            continue
        polygon = _polygon(shape)
        if isinstance(polygon, str):
            yield Problem(str(file), place, "points", polygon)
        elif polygon is not None and shape.get("group_id") is None:
            yield label, [polygon]
        elif polygon is not None:
            groups.setdefault((label, shape["group_id"]), []).append(polygon)
    for (label, _), polygons in groups.items():
        yield label, polygons


def _polygon(shape: dict[str, Any]) -> list[float] | str | None:
    """A shape's outline; None for a shape without area by its nature, a text for what is wrong."""
    points, kind = shape.get("points"), shape.get("shape_type", "polygon")
    if not isinstance(points, list) or not all(isinstance(p, list) and len(p) == 2 for p in points):
        return "expected a list of [x, y]"
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for point in points for value in point):
        return "coordinates must be finite numbers"
    if kind == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        return [x0, y0, x1, y0, x1, y1, x0, y1]
    if kind == "circle" and len(points) == 2:
        (x, y), (edge_x, edge_y) = points
        radius = math.hypot(edge_x - x, edge_y - y)
        angles = [2 * math.pi * step / CIRCLE_CORNERS for step in range(CIRCLE_CORNERS)]
        return [value for a in angles for value in (x + radius * math.cos(a), y + radius * math.sin(a))]
    if kind == "polygon" and len(points) >= 3:
        return [float(value) for point in points for value in point]
    if kind in ("polygon", "rectangle", "circle"):
        return f"a {kind} of {len(points)} points has no area"
    return None
