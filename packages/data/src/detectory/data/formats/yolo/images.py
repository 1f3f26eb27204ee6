"""Images of YOLO datasets and their label files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from detectory.data.formats.file_names import portable_name
from detectory.data.images.folders import files_below, images_below
from detectory.data.problems import DatasetError, Problem

from .config import NAME_FILES
from .text import read_lines


def images_with_labels(image_dir: Path, label_dir: Path, list_file: Path | None = None) -> list[tuple[Path, Path]]:
    """Return the images of a split, each with its label file, which may not exist.

    Args:
        image_dir: The folder of the images.
        label_dir: The folder of the label files, with the same subfolders.
        list_file: A text file with one image per line, which replaces both folders; label files are then in the folder
            `labels` instead of `images`, or next to the images.

    Raises:
        FileNotFoundError: If the folder contains no images.
        DatasetError: If the list is not UTF-8.
    """
    if list_file is not None:
        images = list(listed_images(list_file))
        return [(image, label_folder(image.parent) / f"{image.stem}.txt") for image in images]
    return [(image, label_dir / image.relative_to(image_dir).with_suffix(".txt")) for image in images_below(image_dir)]


def labels_without_image(label_dir: Path, images: Sequence[tuple[Path, Path]]) -> list[Path]:
    """Return the label files of a folder that belong to none of the images; see `images_with_labels`."""
    known = {file for _, file in images}
    return [file for file in files_below(label_dir, "*.txt") if file not in known and file.name not in NAME_FILES]


def label_folder(image_folder: Path) -> Path:
    """Return the folder of the labels of an image folder, with Ultralytics' rule: the last `images` becomes `labels`.

    Without such a folder, the image folder contains the labels too.
    """
    parts = list(image_folder.parts)
    if "images" not in parts:
        return image_folder
    last = len(parts) - 1 - parts[::-1].index("images")
    labels = Path(*parts[:last], "labels", *parts[last + 1 :])
    return labels if labels.is_dir() else image_folder


def listed_images(list_file: Path) -> Iterator[Path]:
    """Yield the images in a list. Darknet and CVAT prefix the paths with a folder `data` that does not exist."""
    lines = read_lines(list_file)
    if isinstance(lines, Problem):
        raise DatasetError(lines)
    for line in lines:
        if line.strip():
            yield _existing(list_file.parent, Path(portable_name(line.strip())))


def _existing(folder: Path, name: Path) -> Path:
    parts = [part for part in name.parts if part not in (".", "..", "/")]
    candidates = [folder / name, *(folder / Path(*parts[start:]) for start in range(len(parts)))]
    return next((path for path in candidates if path.is_file()), candidates[0])
