"""Class names of YOLO datasets."""

from pathlib import Path
from typing import Any

import yaml

from detectory.data.problems import DatasetError, Problem

from .reader import read_lines

_NAME_FILES = ("classes.txt", "obj.names")


def yolo_class_names(folder: Path) -> list[str] | None:
    """Read the class names from a YAML file with the key `names`, from `classes.txt` or from `obj.names`.

    Returns:
        The class names in the order of the class ids, or None if the folder contains no such file.

    Raises:
        DatasetError: If a file is invalid, or `names` is neither a list nor a mapping from 0, 1, 2, … to names.
    """
    for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            message = f"not valid YAML: {' '.join(str(error).split())}"
            raise DatasetError(Problem(str(file), "", "", message)) from error
        if isinstance(content, dict) and "names" in content:
            return _name_list(content["names"], file)
    for name in _NAME_FILES:
        if (folder / name).is_file():
            lines = read_lines(folder / name)
            if isinstance(lines, Problem):
                raise DatasetError(lines)
            return [line.strip() for line in lines if line.strip()]
    return None


def _name_list(names: Any, file: Path) -> list[str]:
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list):
        message = f"must be a list of names, or a mapping from 0, 1, 2, … to names, got {names!r}"
        raise DatasetError(Problem(str(file), "", "names", message))
    return [str(name) for name in names]
