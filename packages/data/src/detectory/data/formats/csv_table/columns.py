"""Columns of CSV tables of boxes: header variants of common tools.

Sources: TensorFlow's `generate_tfrecord.py` and Roboflow (`filename,width,height,class,xmin,ymin,xmax,ymax`),
keras-retinanet (`path,x1,y1,x2,y2,class_name` without a header), Open Images (`ImageID,XMin,XMax,YMin,YMax,LabelName`,
relative coordinates).
"""

import csv
from dataclasses import dataclass
from pathlib import Path

_ALIASES = {
    "file": (
        "filename",
        "file_name",
        "file",
        "image",
        "image_path",
        "path",
        "img",
        "image_name",
        "imageid",
        "image_id",
    ),
    "class": ("class", "label", "class_name", "labelname", "label_name", "category", "name"),
    "x1": ("x1", "xmin", "x_min", "left", "bbox_x1"),
    "y1": ("y1", "ymin", "y_min", "top", "bbox_y1"),
    "x2": ("x2", "xmax", "x_max", "right", "bbox_x2"),
    "y2": ("y2", "ymax", "y_max", "bottom", "bbox_y2"),
    "x": ("x", "bbox_x"),
    "y": ("y", "bbox_y"),
    "box_width": ("w", "bbox_width", "box_width", "bbox_w"),
    "box_height": ("h", "bbox_height", "box_height", "bbox_h"),
    "image_width": ("image_width", "img_width"),
    "image_height": ("image_height", "img_height"),
}
_WITHOUT_HEADER = ("file", "x1", "y1", "x2", "y2", "class")
_CORNERS, _SIZED = ("x1", "y1", "x2", "y2"), ("x", "y", "box_width", "box_height")


@dataclass(frozen=True)
class Columns:
    """The meaning of the columns of a table.

    Attributes:
        indices: The index per meaning: `file`, `class`, either `x1 y1 x2 y2` or `x y box_width box_height`, and if
            present `image_width` and `image_height`.
        has_header: Whether the first row contains the names of the columns.
        delimiter: The character between the columns.
    """

    indices: dict[str, int]
    has_header: bool
    delimiter: str

    @property
    def has_corners(self) -> bool:
        """Whether boxes are given by two corners, otherwise by a corner and the size."""
        return all(key in self.indices for key in _CORNERS)


def find_columns(file: Path) -> Columns | None:
    """Return the meaning of the columns, or None if the table does not contain file names, boxes and classes."""
    with open(file, encoding="utf-8-sig", errors="replace", newline="") as lines:
        first = lines.readline().rstrip("\r\n")
    delimiter = max(",;\t", key=first.count)
    header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    lowered = [name.lower() for name in header]
    indices = {
        meaning: lowered.index(alias)
        for meaning, aliases in _ALIASES.items()
        for alias in aliases[::-1]
        if alias in lowered
    }
    has_corners = all(key in indices for key in _CORNERS)
    is_sized = all(key in indices for key in ("x", "y"))
    # "width" and "height" are the size of the image if there are corners, otherwise the size of the box.
    for side in ("width", "height"):
        if side in lowered:
            indices.setdefault(f"image_{side}" if has_corners else f"box_{side}", lowered.index(side))
    is_sized = is_sized and all(key in indices for key in _SIZED)
    if "file" in indices and "class" in indices and (has_corners or is_sized):
        return Columns(indices, True, delimiter)
    if len(header) == len(_WITHOUT_HEADER) and all(_is_number(value) for value in header[1:5]):
        return Columns({meaning: index for index, meaning in enumerate(_WITHOUT_HEADER)}, False, delimiter)
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
