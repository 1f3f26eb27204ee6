"""Detection of YOLO folders: `data.yaml`, `obj.data`, and folders `images` and `labels`."""

from collections.abc import Iterator
from pathlib import Path

from detectory.data.formats.yolo.config import YoloConfig, read_yolo_config, yolo_split_entries
from detectory.data.formats.yolo.images import label_folder, listed_images
from detectory.data.images.folders import IMAGE_SUFFIXES

from .source import Source, split_name


def yolo_sources(folder: Path) -> list[Source]:
    """Return the sources of a YOLO folder.

    The layouts of Ultralytics and Roboflow (a YAML file with `train`, `val` and `test`), of Darknet and CVAT's YOLO 1.1
    (`obj.data`), of Label Studio (`images`, `labels`, `classes.txt`), and of label files next to images.
    """
    return _configured_sources(folder) or _sibling_folders(folder) or _labels_next_to_images(folder)


def _configured_sources(folder: Path) -> list[Source]:
    """Return the splits that a YAML file or `obj.data` names, if their images exist and have labels."""
    splits: dict[Path, list[str]] = {}
    for split, entry in yolo_split_entries(folder):
        splits.setdefault(entry, []).append(split_name(split))
    # Small datasets use the same images for training and validation: they are one source.
    names = {entry: next((name for name in found if name == entry.name), found[0]) for entry, found in splits.items()}
    sources = (_source_of_entry(entry, names[entry]) for entry in splits)
    return [source for source in sources if source is not None]


def _source_of_entry(entry: Path, split: str) -> Source | None:
    if entry.is_dir():
        labels = label_folder(entry)
        return Source("yolo", labels, entry, split) if _has_labels(labels) else None
    if entry.suffix == ".txt" and entry.is_file() and any(True for _ in listed_images(entry)):
        return Source("yolo", entry.parent, entry.parent, split, list_file=entry)
    return None


def _has_labels(folder: Path) -> bool:
    return folder.is_dir() and any(folder.rglob("*.txt"))


def _sibling_folders(folder: Path) -> list[Source]:
    sources = []
    for labels in [folder / "labels", *sorted(folder.glob("*/labels"))]:
        images = labels.parent / "images"
        if not images.is_dir() or not _has_labels(labels):
            continue
        splits = sorted(part for part in images.iterdir() if part.is_dir() and (labels / part.name).is_dir())
        sources += [Source("yolo", labels / part.name, part, split_name(part.name)) for part in splits]
        if not splits:
            split = split_name(labels.parent.name) if labels.parent != folder else ""
            sources.append(Source("yolo", labels, images, split))
    return sources


def _labels_next_to_images(folder: Path) -> list[Source]:
    label_stems = {file.stem for file in folder.glob("*.txt")}
    if any(file.stem in label_stems and file.suffix.lower() in IMAGE_SUFFIXES for file in folder.iterdir()):
        return [Source("yolo", folder, folder)]
    return []


def find_yolo_config(source: Source) -> YoloConfig:
    """Return the class names and the label type of a YOLO source, from its folder or one of the three folders above.

    Raises:
        FileNotFoundError: If no file contains the class names.
        DatasetError: If such a file is invalid.
    """
    for folder in _folders_upwards(source.path):
        config = read_yolo_config(folder)
        if config is not None:
            return config
    raise FileNotFoundError(
        f"{source.path}: class names not found, expected a YAML file with the key 'names', classes.txt or obj.names in "
        "this folder or one of the three folders above"
    )


def _folders_upwards(folder: Path) -> Iterator[Path]:
    yield folder
    yield from list(folder.parents)[:3]
