"""Detection of the format of JSON annotation files by their keys, without parsing them."""

import mmap
import os
from collections.abc import Callable
from pathlib import Path

from detectory.data.formats.json_file import read_json
from detectory.data.problems import DatasetError

# Larger files without the keys of any format are reported by the reader rather than ignored.
_MAX_BYTES_OF_OTHER_FILES = 16 << 20
# Files with these names should contain objects: without them, they are damaged.
_NAMES_OF_OBJECTS = ("instances_", "person_keypoints_", "_annotations.coco")


def json_format(file: Path) -> str:
    """Return the format of a JSON file by searching for keys that only one format has.

    Returns:
        `"coco"`, `"lvis"`, `"panoptic"`, `"labelme"`, `"via"`, `"datumaro"`, `"records"`, or `"other"` for a file
        that contains no objects, such as COCO's captions or the notes that a tool stores next to its labels. A damaged
        file is `"coco"`, so that the reader reports the damage.
    """
    with open(file, "rb") as opened:
        if os.fstat(opened.fileno()).st_size == 0:  # an empty file cannot be mapped
            return "coco"
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
            encoding = _encoding(data[:4])

            def has(key: str) -> bool:
                return data.find(f'"{key}"'.encode(encoding)) >= 0

            beginning = data[:64].decode(encoding, errors="ignore").lstrip("\ufeff \t\r\n")
            return _format_of(beginning, has, file)


def _encoding(first: bytes) -> str:
    if first.startswith(b"\xff\xfe") or first[1:2] == b"\0":
        return "utf-16-le"
    return "utf-16-be" if first.startswith(b"\xfe\xff") or first[:1] == b"\0" else "utf-8"


def _format_of(beginning: str, has: Callable[[str], bool], file: Path) -> str:
    if has("segments_info"):
        return "records" if beginning.startswith("[") else "panoptic"
    if beginning.startswith("["):
        return "records" if has("file_name") else _other(file, "records")
    if has("neg_category_ids"):
        return "lvis"
    if has("imagePath") and has("shapes"):
        return "labelme"
    if has("shape_attributes") or has("_via_img_metadata") or (has("regions") and has("file_attributes")):
        return "via"
    if has("items") and has("categories") and not has("images"):
        return "datumaro"
    if has("caption") and not has("bbox"):
        return _other(file, "coco")
    if has("images") or has("annotations"):
        return "coco"
    return _other(file, "coco")


def _other(file: Path, otherwise: str) -> str:
    """Return `"other"` for valid JSON, so that a damaged annotation file is not ignored."""
    if file.name.startswith(_NAMES_OF_OBJECTS):
        return otherwise
    if file.stat().st_size > _MAX_BYTES_OF_OTHER_FILES:
        return "other"
    try:
        read_json(file)
    except DatasetError:
        return otherwise
    return "other"
