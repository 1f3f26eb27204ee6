"""Recipes: complete configs of a model, its data and its training, one module per family.

`index.json` lists the recipes with their modules and numbers of parameters, so that names are found without importing
the modules, which import torch. `tools/write_recipe_index.py` writes it.
"""

import functools
import json
import logging
from importlib import import_module
from pathlib import Path
from typing import Any

from detectory.core.suggestions import nearest
from detectory.zoo.recipes.recipe_table import RECIPES, Recipe, recipe

__all__ = ["count_parameters", "find_recipe", "recipe", "recipe_names", "weight_tables"]

_logger = logging.getLogger(__name__)


def find_recipe(name: str) -> Recipe:
    """Return a recipe by name without suffix, e.g. `"COCO-Detection/fcos_R_50_FPN_1x"`.

    Only the module of the recipe is imported.

    Raises:
        KeyError: If the recipe does not exist; the message lists the nearest names.
    """
    if name not in RECIPES and (entry := _index().get(name)):
        import_module(entry["module"])
    if name not in RECIPES:
        raise KeyError(f"the zoo has no recipe '{name}', {nearest(name, recipe_names())}")
    return RECIPES[name]


def recipe_names() -> list[str]:
    """Return the sorted names of all recipes, without suffix, also of the installed projects."""
    return sorted(_index().keys() | RECIPES.keys())


def count_parameters(name: str) -> int | None:
    """Return the number of parameters of the model of a recipe, or None if the recipe is not in an index."""
    return _index().get(name, {}).get("parameters")


def weight_tables() -> list[str]:
    """Return the contents of the files `weights.json` of the zoo and of the recipes of the installed projects."""
    files = [Path(__file__).parents[1] / "weights.json", *(folder / "weights.json" for folder in _projects().values())]
    return [file.read_text(encoding="utf-8") for file in files if file.is_file()]


@functools.cache
def _index() -> dict[str, dict[str, Any]]:
    """Return the module and the number of parameters of each recipe, by name.

    The recipes of a project without an index are imported, which registers them.
    """
    index = _read_index(Path(__file__).parent)
    for package, folder in _projects().items():
        if (folder / "index.json").is_file():
            index |= _read_index(folder)
        else:
            _import_recipes(package)
    return index


def _read_index(folder: Path) -> dict[str, dict[str, Any]]:
    return json.loads((folder / "index.json").read_text(encoding="utf-8"))


def _projects() -> dict[str, Path]:
    """Return the folders of the packages `detectory.projects.NAME.recipes` of the installed projects."""
    try:
        namespace = import_module("detectory.projects")
    except ModuleNotFoundError:
        return {}
    folders = sorted(folder for path in namespace.__path__ for folder in Path(path).glob("*/recipes"))
    return {f"detectory.projects.{folder.parent.name}.recipes": folder for folder in folders}


def _import_recipes(package: str) -> None:
    """Import the recipes of a project, which register themselves; warn if one of its requirements is missing."""
    try:
        import_module(package)
    except ImportError as error:
        _logger.warning("The recipes of %s are not available: %s", package.removesuffix(".recipes"), error)
