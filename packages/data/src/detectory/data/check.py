"""Find all faults of a dataset in one run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from .datasets.coco_faults import (
    annotation_faults,
    box_fault,
    category_faults,
    duplicate_faults,
    file_faults,
    image_faults,
    outside_fault,
)
from .datasets.json_file import read_json
from .detection.images import ImageReadError, image_size_of_file, read_image
from .detection.jpeg_header import read_jpeg_header
from .faults import DatasetError, Fault

Progress = Callable[[int, int], None]
KINDS = ("instances_", "person_keypoints_", "image_info_", "lvis_v1_", "lvis_v0.5_", "lvis_")


def check_dataset(
    path: str | os.PathLike[str],
    image_root: str | os.PathLike[str] | None = None,
    *,
    decode: bool = False,
    progress: Progress | None = None,
) -> list[Fault]:
    """Check COCO-format annotations and the images that they name.

    Args:
        path: An annotation file, or a folder: its ``annotations/*.json`` or ``*.json`` are checked.
        image_root: The folder of the images; by default it is looked for beside the annotation file, by its name.
        decode: Whether every image is decoded. Otherwise headers are read, and of JPEG files their ends.
        progress: Called with how many records are done and how many there are.

    Returns:
        All faults, in the order of the files; empty for a good dataset.

    Raises:
        FileNotFoundError: There is nothing at ``path``, or a folder has no annotation file.
    """
    files = _annotation_files(Path(path))
    faults: list[Fault] = []
    for number, file in enumerate(files):

        def advance(done: int, total: int, before: int = number) -> None:
            if progress is not None:
                progress(before * total + done, len(files) * total)

        faults.extend(_file_faults(file, image_root, decode, advance))
    return faults


def _annotation_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"check_dataset: no such file or folder: {path}")
    for folder in (path / "annotations", path):
        files = sorted(file for file in folder.glob("*.json") if not file.name.startswith("panoptic_"))
        if files:
            return files
    raise FileNotFoundError(f"check_dataset: no annotations/*.json and no *.json in {path}")


def _file_faults(
    file: Path, image_root: str | os.PathLike[str] | None, decode: bool, advance: Progress
) -> Iterator[Fault]:
    """Yield the faults of one annotation file and of its images."""
    name = str(file)
    try:
        content = read_json(file)
    except DatasetError as error:
        if isinstance(error.fault, Fault):
            yield error.fault
        return
    structural = list(file_faults(content, name))
    yield from structural
    if structural:
        return
    records = {kind: content[kind] for kind in ("images", "categories", "annotations")}
    total = sum(map(len, records.values()))
    for kind, one in (("image", "images"), ("category", "categories"), ("annotation", "annotations")):
        yield from duplicate_faults([record for record in records[one] if "id" in record], name, kind)
    for category in records["categories"]:
        yield from category_faults(category, name)
    root = find_image_root(file, records["images"]) if image_root is None else Path(image_root)
    done = len(records["categories"])
    for image in records["images"]:
        bad = list(image_faults(image, name))
        yield from bad
        if not any(fault.field == "file_name" for fault in bad):
            yield from _image_file_faults(image, name, root, decode, has_size=not bad)
        done += 1
        advance(done, total)
    images = {image["id"]: image for image in records["images"]}
    ids = {category["id"] for category in records["categories"]}
    for number, annotation in enumerate(records["annotations"]):
        yield from annotation_faults(annotation, name, number, images, ids)
        yield from _outside_faults(annotation, name, number, images)
        done += 1
        if done % 1000 == 0:
            advance(done, total)
    advance(total, total)


def _outside_faults(annotation: dict[str, Any], name: str, number: int, images: dict) -> Iterator[Fault]:
    image_id = annotation.get("image_id")
    image = images.get(image_id) if isinstance(image_id, (int, str)) else None
    if image is None or box_fault(annotation.get("bbox")) or list(image_faults(image, name)):
        return
    message = outside_fault(annotation, image)
    if message:
        yield Fault(name, f"annotation {annotation.get('id', f'number {number}')}", "bbox", message)


def _image_file_faults(image: dict[str, Any], name: str, root: Path, decode: bool, has_size: bool) -> Iterator[Fault]:
    path, place = root / image["file_name"], f"image {image['id']}"
    if not path.is_file():
        yield Fault(name, place, "file_name", f"no such image: {path}")
        return
    try:
        height, width = image_size_of_file(path)
        if decode or _may_be_truncated(path):
            read_image(path)
    except (ImageReadError, OSError) as error:
        yield Fault(str(path), place, "", str(error).removeprefix(f"{path}: "))
        return
    if has_size and (height, width) != (image["height"], image["width"]):
        message = (
            f"the file is {width} x {height} (width x height), the record says {image['width']} x {image['height']}"
        )
        yield Fault(name, place, "width, height", f"{message}: {path}")


def _may_be_truncated(path: Path) -> bool:
    """Whether a JPEG file has no end marker, or another file fails Pillow's quick check."""
    with open(path, "rb") as file:
        data = file.read()
    header = read_jpeg_header(data)
    if header is not None:
        return not header.is_complete
    if path.suffix.lower() == ".npy":
        return False
    try:
        with Image.open(path) as image:
            image.verify()
    except (OSError, SyntaxError, ValueError):
        return True
    return False


def find_image_root(file: Path, images: list[dict[str, Any]]) -> Path:
    """Guess the folder of the images that an annotation file names, from common layouts.

    The first folder that has one of the first ten images is taken, else the most likely that exists.
    """
    split = file.stem
    for kind in KINDS:
        split = split.removeprefix(kind)
    above = file.parent.parent
    folders = [above / split, above / "images" / split, above / "images", above, file.parent / split]
    folders += [file.parent / "images", file.parent]
    names = [image["file_name"] for image in images[:10] if isinstance(image.get("file_name"), str)]
    for folder in folders:
        if any((folder / name).is_file() for name in names):
            return folder
    return next((folder for folder in folders if folder.is_dir()), file.parent)
