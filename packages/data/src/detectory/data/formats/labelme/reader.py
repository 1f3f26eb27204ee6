"""Reader of LabelMe's format: one JSON file of shapes per image."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from detectory.data.formats.file_names import file_name_problem
from detectory.data.formats.json_file import read_json
from detectory.data.images.reading import image_size_of_file
from detectory.data.problems import DatasetError, Problem
from detectory.structures import BoxMode
from detectory.structures.records import Annotation, DatasetRecord

_CIRCLE_CORNERS = 32


def load_labelme(
    folder: str | os.PathLike[str], class_names: Sequence[str] | None = None, ignore: Sequence[Path] = ()
) -> tuple[list[DatasetRecord], list[str]]:
    """Read LabelMe files. Images are read only if their size is missing in the JSON file.

    Polygons, rectangles and circles (as polygons with 32 corners) become objects. Points and lines have no area and are
    ignored. Shapes with the same label and `group_id` form one object.

    Args:
        folder: A folder with a JSON file per image, in subfolders too.
        class_names: The class names in the order of the class ids; by default all labels, sorted.
        ignore: JSON files in the folder that are not LabelMe files.

    Returns:
        Records in the standard format with image ids from 1, and the class names.

    Raises:
        FileNotFoundError: If the folder contains no JSON files.
        DatasetError: If a file is invalid. The message contains file, shape and field.
    """
    root, ignored = Path(folder), {path.resolve() for path in ignore}
    files = [file for file in sorted(root.rglob("*.json")) if file.resolve() not in ignored]
    if not files:
        raise FileNotFoundError(f"load_labelme: no *.json files in {root}")
    contents = [(file, read_labelme_file(file)) for file in files]
    names = sorted({shape["label"] for _, content in contents for shape in content["shapes"]})
    names = names if class_names is None else list(class_names)
    records: list[DatasetRecord] = []
    for file, content in contents:
        annotations = []
        for item in labelme_objects(content, file, names):
            if isinstance(item, Problem):
                raise DatasetError(item)
            label, polygons = item
            annotations.append(_annotation(names.index(label), polygons))
        path = image_path(file, content)
        height, width = content.get("imageHeight"), content.get("imageWidth")
        if not height or not width:
            height, width = image_size_of_file(path)
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


def _annotation(category: int, polygons: list[list[float]]) -> Annotation:
    xs = [value for polygon in polygons for value in polygon[0::2]]
    ys = [value for polygon in polygons for value in polygon[1::2]]
    return {
        "category_id": category,
        "bbox": [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)],
        "bbox_mode": BoxMode.XYWH_ABS,
        "iscrowd": 0,
        "segmentation": polygons,
    }


def read_labelme_file(file: Path) -> dict[str, Any]:
    """Read a LabelMe file and check that it has an image path and a label per shape.

    Raises:
        DatasetError: If the file is invalid.
    """
    content = read_json(file)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        message = "not a LabelMe file: expected an object with a list 'shapes'"
        raise DatasetError(Problem(str(file), "", "shapes", message))
    name = content.get("imagePath")
    name_problem = file_name_problem(name.replace("\\", "/") if isinstance(name, str) else name)
    if name_problem:
        raise DatasetError(Problem(str(file), "", "imagePath", name_problem))
    for index, shape in enumerate(content["shapes"]):
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
            message = "missing: every shape must be an object with a string 'label'"
            raise DatasetError(Problem(str(file), f"shape {index}", "label", message))
    return content


def image_path(file: Path, content: Mapping[str, Any]) -> Path:
    """Return the path of the image of a LabelMe file; files written on Windows contain backslashes."""
    return file.parent / content["imagePath"].replace("\\", "/")


def labelme_objects(
    content: Mapping[str, Any], file: Path, names: Sequence[str] | None
) -> Iterator[tuple[str, list[list[float]]] | Problem]:
    """Yield the label and the polygons per object, or a problem per invalid shape; `names=None` accepts all labels."""
    groups: dict[tuple[str, Any], list[list[float]]] = {}
    for index, shape in enumerate(content["shapes"]):
        label, place = shape["label"], f"shape {index}"
        if names is not None and label not in names:
            yield Problem(str(file), place, "label", f"must be one of the classes {list(names)}, got {label!r}")
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


def _polygon(shape: Mapping[str, Any]) -> list[float] | str | None:
    """Return the outline of a shape, None for types without an area, or a message if the points are invalid."""
    points, shape_type = shape.get("points"), shape.get("shape_type", "polygon")
    if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
        return "must be a list of points [x, y]"
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for point in points for value in point):
        return "coordinates must be finite numbers"
    if shape_type == "rectangle" and len(points) == 2:
        (x1, y1), (x2, y2) = points
        return [x1, y1, x2, y1, x2, y2, x1, y2]
    if shape_type == "circle" and len(points) == 2:
        (x, y), (edge_x, edge_y) = points
        radius = math.hypot(edge_x - x, edge_y - y)
        angles = [2 * math.pi * step / _CIRCLE_CORNERS for step in range(_CIRCLE_CORNERS)]
        return [value for a in angles for value in (x + radius * math.cos(a), y + radius * math.sin(a))]
    if shape_type == "polygon" and len(points) >= 3:
        return [float(value) for point in points for value in point]
    if shape_type in ("polygon", "rectangle", "circle"):
        required = "at least 3 points" if shape_type == "polygon" else "2 points"
        return f"a {shape_type} must have {required}, got {len(points)}"
    return None
