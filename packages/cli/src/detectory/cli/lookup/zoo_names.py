"""Names of all zoo models, read from package files without importing the packages."""

import importlib.util
import json
import re
from pathlib import Path


def zoo_names() -> list[str]:
    """Return the sorted names of the zoo's recipes and of the published recipes of projects, without suffix.

    Shell completion calls this function on every Tab key press; importing the zoo takes seconds.
    """
    names: set[str] = set()
    for file in _package_folder("detectory.zoo").glob("recipes/**/*.py"):
        names.update(re.findall(r'^@recipe\("([^"]+)"\)', file.read_text(encoding="utf-8"), re.MULTILINE))
    configs = _package_folder("detectory.compat") / "detectron2" / "model_zoo" / "configs"
    names.update(file.relative_to(configs).with_suffix("").as_posix() for file in configs.glob("**/*.yaml"))
    tables = [_package_folder("detectory.zoo") / "weights.json"]
    projects = importlib.util.find_spec("detectory.projects")
    for folder in (projects.submodule_search_locations if projects is not None else None) or ():
        tables += Path(folder).glob("*/recipes/weights.json")
    for table in tables:
        names.update(row["name"] for row in json.loads(table.read_text(encoding="utf-8")))
    return sorted(names)


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"{package} is not installed")
    return Path(spec.submodule_search_locations[0])
