"""Writes a package from the files of the template."""

import keyword
import re
from importlib import resources
from pathlib import Path

#: Files of a project by template. `{name}` is the import name.
FILES = {
    "pyproject.txt": "pyproject.toml",
    "readme.txt": "README.md",
    "changelog.txt": "CHANGELOG.md",
    "init.txt": "src/detectory/projects/{name}/__init__.py",
    "box_predictor.txt": "src/detectory/projects/{name}/box_predictor.py",
    "recipes.txt": "src/detectory/projects/{name}/recipes/__init__.py",
    "test.txt": "tests/test_{name}.py",
}


def create_project(name: str, folder: Path) -> list[Path]:
    """Write the files of a new project.

    Args:
        name: Name of the project, words separated by hyphens or underscores.
        folder: The folder of the project; must be empty or missing.

    Returns:
        The paths of the files.

    Raises:
        ValueError: If the name cannot be the name of a package.
        FileExistsError: If the folder is not empty.
    """
    module = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", module) or keyword.iskeyword(module):
        raise ValueError(f"new-project: NAME must consist of lowercase letters, digits and hyphens, got {name!r}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"new-project: {folder} already exists and is not empty")
    values = {
        "NAME": module,
        "DISTRIBUTION": f"detectory-{module.replace('_', '-')}",
        "TITLE": "".join(word.capitalize() for word in module.split("_")),
        "FOLDER": folder.as_posix(),
    }
    written = []
    for template, file in FILES.items():
        text = (resources.files(__package__) / "template" / template).read_text(encoding="utf-8")
        path = folder / file.format(name=module)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(re.sub(r"@([A-Z]+)@", lambda match: values[match[1]], text), encoding="utf-8")
        written.append(path)
    marker = folder / "src" / "detectory" / "projects" / module / "py.typed"
    marker.touch()
    return [*written, marker]
