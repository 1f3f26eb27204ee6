"""Configuration of YOLO datasets: class names, label type and splits, from YAML files and from Darknet's `obj.data`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from detectory.data.formats.coco.categories import described_keypoints
from detectory.data.formats.file_names import portable_name
from detectory.data.images.folders import files_in
from detectory.data.problems import DatasetError, Problem

from .text import read_lines

#: Files with a class name per line.
NAME_FILES = ("classes.txt", "obj.names")
_SPLIT_KEYS = ("train", "val", "valid", "test")


@dataclass(frozen=True)
class YoloConfig:
    """What a dataset's configuration says about its label files.

    Attributes:
        names: The class names in the order of the class ids.
        keypoint_shape: Pose labels: the number of keypoints, and 2 (x, y) or 3 (x, y, visibility) values per keypoint.
            None for other labels.
        keypoints: Metadata with names, flip pairs and skeleton of the keypoints, from `kpt_names`, `flip_idx` and
            `skeleton`; see `keypoint_metadata`. Empty without these keys.
        is_rotated: Whether polygons with four corners are rotated boxes (`task: obb`); None if the file does not say.
    """

    names: list[str]
    keypoint_shape: tuple[int, int] | None = None
    is_rotated: bool | None = None
    keypoints: dict[str, Any] = field(default_factory=dict)


def read_yolo_config(folder: Path) -> YoloConfig | None:
    """Read a YAML file with the key `names`, `classes.txt`, `obj.names`, or the `.names` file that `obj.data` names.

    Returns:
        The configuration, or None if the folder contains no such file.

    Raises:
        DatasetError: If a file is invalid: `names` is neither a list nor a mapping from 0, 1, 2, … to names, `nc` is
            not the number of names, or `kpt_shape` is not a number of keypoints and 2 or 3.
    """
    for file, content in _yaml_files(folder):
        if "names" in content:
            task, shape = content.get("task"), _keypoint_shape(content, file)
            names = _name_list(content["names"], file)
            count = content.get("nc", len(names))
            if count != len(names):
                message = f"is {count!r}, but 'names' has {len(names)} classes. Correct one of them"
                raise DatasetError(Problem(str(file), "", "nc", message))
            return YoloConfig(
                names,
                shape,
                None if task is None else task == "obb",
                _described_keypoints(content, shape[0]) if shape is not None else {},
            )
    for name in (*NAME_FILES, *(file.name for file in files_in(folder, "*.names"))):
        if (folder / name).is_file():
            lines = read_lines(folder / name)
            if isinstance(lines, Problem):
                raise DatasetError(lines)
            return YoloConfig([line.strip() for line in lines if line.strip()])
    return None


def yolo_split_entries(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the splits in a folder's YAML file or `obj.data`, with the image folder or the list of images of each."""
    for file, content in _yaml_files(folder):
        if "names" not in content:
            continue
        for split in _SPLIT_KEYS:
            entries = content.get(split)
            for entry in entries if isinstance(entries, list) else [entries]:
                if isinstance(entry, str) and (path := _resolved(entry, file, content.get("path"))) is not None:
                    yield split, path
        return
    for file in files_in(folder, "*.data"):
        lines = read_lines(file)
        pairs = [line.split("=", 1) for line in lines if "=" in line] if not isinstance(lines, Problem) else []
        for key, value in pairs:
            if key.strip() in _SPLIT_KEYS and (path := _resolved(value.strip(), file, None)) is not None:
                yield key.strip(), path


def _resolved(entry: str, file: Path, root: Any) -> Path | None:
    """Return the existing path that an entry refers to.

    Entries are relative to `path`, to the file, or, after Roboflow's `../` and Darknet's `data/`, to the file too.
    """
    parts = Path(portable_name(entry)).parts
    roots = [file.parent / root] if isinstance(root, str) else []
    shortened = [Path(*parts[start:]) for start in range(1, len(parts))]
    for candidate in [*(base / entry for base in [*roots, file.parent]), *(file.parent / name for name in shortened)]:
        if candidate.exists():
            return candidate.resolve() if ".." in candidate.parts else candidate
    return None


def _yaml_files(folder: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for file in [*files_in(folder, "*.yaml"), *files_in(folder, "*.yml")]:
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            message = f"not valid YAML: {' '.join(str(error).split())}"
            raise DatasetError(Problem(str(file), "", "", message)) from error
        if isinstance(content, dict):
            yield file, content


def _name_list(names: Any, file: Path) -> list[str]:
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list):
        message = f"must be a list of names, or a mapping from 0, 1, 2, … to names, got {names!r}"
        raise DatasetError(Problem(str(file), "", "names", message))
    return [str(name) for name in names]


def _keypoint_shape(content: Mapping[str, Any], file: Path) -> tuple[int, int] | None:
    shape = content.get("kpt_shape")
    if shape is None:
        return None
    is_valid = isinstance(shape, list) and len(shape) == 2 and all(isinstance(value, int) for value in shape)
    if not is_valid or shape[0] < 1 or shape[1] not in (2, 3):
        message = f"must be [number of keypoints, 2 or 3], got {shape!r}"
        raise DatasetError(Problem(str(file), "", "kpt_shape", message))
    return shape[0], shape[1]


def _described_keypoints(content: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Return the metadata of the keypoints; the names of the first class are used for all classes."""
    names = content.get("kpt_names")
    names = next(iter(names.values()), None) if isinstance(names, dict) else names
    names = names if isinstance(names, list) and len(names) == count else None
    if names is None and "flip_idx" not in content and "skeleton" not in content:
        return {}
    used = [f"keypoint {index}" for index in range(count)] if names is None else [str(name) for name in names]
    return described_keypoints(used, content.get("flip_idx"), content.get("skeleton"))
