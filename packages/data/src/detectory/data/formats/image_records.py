"""Records of annotation files that contain all images of a dataset."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from detectory.data.images.folders import IMAGE_SUFFIXES
from detectory.data.images.reading import image_size_of_file
from detectory.data.problems import DatasetError, Problem
from detectory.structures.records import Annotation, DatasetRecord

from .file_names import file_name_problem, portable_name

FindRoot = Callable[[Path, Sequence[str]], Path]


def checked_name(name: Any, file: Path, place: str, field: str) -> str:
    """Return a file name in an annotation file with `/` between folders.

    Raises:
        DatasetError: If the name refers to a file outside the image folder.
    """
    portable = portable_name(name) if isinstance(name, str) else name
    message = file_name_problem(portable)
    if message:
        raise DatasetError(Problem(str(file), place, field, message))
    return str(portable)


def image_record(
    path: Path, image_id: int, size: tuple[Any, Any] | None, annotations: list[Annotation]
) -> DatasetRecord:
    """Return a record in the standard format; the size `(height, width)` is read from the image if it is unknown."""
    height, width = size if size is not None and all(size) else image_size_of_file(path)
    return {
        "file_name": str(path),
        "image_id": image_id,
        "height": int(height),
        "width": int(width),
        "annotations": annotations,
    }


def with_image_suffix(root: Path, name: str) -> Path:
    """Return the path of an image; a name without a suffix gets that of the image in the folder."""
    path = root / name
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return path
    candidates = (root / f"{name}{suffix}" for lower in IMAGE_SUFFIXES for suffix in (lower, lower.upper()))
    return next((candidate for candidate in candidates if candidate.is_file()), path)
