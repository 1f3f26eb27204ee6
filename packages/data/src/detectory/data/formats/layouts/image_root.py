"""The image folder of an annotation file, found by one rule for all commands."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from detectory.data.formats.file_names import file_name_problem, name_below, portable_name

from .source import Source, split_of

# Names that are tried per candidate folder, spread over the file.
_SAMPLES = 20


def find_image_root(file: Path, names: Sequence[str]) -> Path:
    """Return the folder that the image names in an annotation file are relative to.

    The candidates are the folders in which COCO, CVAT, FiftyOne, Label Studio and Roboflow store images: next to the
    annotation file and next to its folder, named like the split, `images`, `data` or `images/<split>`.

    Args:
        file: The annotation file.
        names: File names of images. At most 20 of them, spread evenly, are looked for; of names that are absolute or
            start with `..`, the ends.

    Returns:
        The candidate that contains the most of these images, the first one if several are equal. If none contains an
        image, the first candidate that exists.
    """
    candidates = _candidates(file)
    step = max(1, len(names) // _SAMPLES)
    sample = names[::step][:_SAMPLES]
    best, best_count = None, 0
    for folder in candidates:
        count = sum(_contains(folder, name) for name in sample)
        if count > best_count:
            best, best_count = folder, count
        if sample and count == len(sample):
            break
    return best or next((folder for folder in candidates if folder.is_dir()), file.parent)


def _contains(folder: Path, name: str) -> bool:
    if file_name_problem(name) is None:
        return (folder / portable_name(name)).is_file()
    return name_below(name, folder) is not None


def _candidates(file: Path) -> list[Path]:
    folder, parent = file.parent, file.parent.parent
    # `instances_default.json` of CVAT belongs to images/default, which `split_of` reports as no split.
    splits = dict.fromkeys((split_of(file), file.stem.split("_")[-1]))
    named = [part for split in splits if split for part in (parent / split, parent / "images" / split)]
    beside = [part for split in splits if split for part in (folder / split, folder / "images" / split)]
    return [
        *named,
        parent / "images",
        parent,
        *beside,
        folder / "images",
        folder / "data",
        folder,
        parent / "data",
        parent / "JPEGImages",
        parent.parent / "coco",
    ]


def panoptic_folders(source: Source, annotations: Iterable[Any]) -> tuple[Path, Path]:
    """Return the image folder and the folder of the PNG files of a panoptic annotation file."""
    names = [str(annotation.get("file_name")) for annotation in annotations if isinstance(annotation, Mapping)][:10]
    segments = source.path.parent / source.path.stem
    if not segments.is_dir():
        segments = source.path.parent.parent / source.path.stem
    if not segments.is_dir():
        segments = find_image_root(source.path, names)
    image_names = [str(Path(name).with_suffix(".jpg")) for name in names]
    return source.images or find_image_root(source.path, image_names), segments
