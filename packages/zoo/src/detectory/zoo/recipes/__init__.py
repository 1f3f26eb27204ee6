"""Recipes: complete configs of a model, its data and its training, one module per family."""

import logging
import pkgutil
from importlib import import_module, resources
from types import ModuleType

from detectory.core.suggestions import nearest
from detectory.zoo.recipes.recipe_table import RECIPES, Recipe, recipe

__all__ = ["find_recipe", "recipe", "recipe_names", "weight_tables"]

_logger = logging.getLogger(__name__)

_FAMILIES = (
    "mask_rcnn",
    "faster_rcnn",
    "dense_detectors",
    "keypoint_rcnn",
    "panoptic_fpn",
    "cascade_rcnn",
    "normalized_mask_rcnn",
    "lvis",
    "regnet",
    "new_baselines",
    "small_models",
    "transformers.vitdet",
    "transformers.swin",
    "transformers.mvitv2",
    "mmdet_mask_rcnn",
    "imagenet",
)


def find_recipe(name: str) -> Recipe:
    """Return a recipe by name without suffix, e.g. `"COCO-Detection/fcos_R_50_FPN_1x"`.

    Families are imported on demand, then the recipes of the installed projects.

    Raises:
        KeyError: If the recipe does not exist; the message lists the nearest names.
    """
    for family in _FAMILIES:
        import_module(f"{__name__}.{family}")
        if name in RECIPES:
            return RECIPES[name]
    for project in _projects():
        _import_recipes(project)
    if name in RECIPES:
        return RECIPES[name]
    raise KeyError(f"the zoo has no recipe '{name}', {nearest(name, RECIPES)}")


def recipe_names() -> list[str]:
    """Return the sorted names of all recipes, without suffix, also of the installed projects."""
    for family in _FAMILIES:
        import_module(f"{__name__}.{family}")
    for project in _projects():
        _import_recipes(project)
    return sorted(RECIPES)


def weight_tables() -> list[str]:
    """Return the contents of the files `weights.json` of the zoo and of the recipes of the installed projects."""
    files = [resources.files("detectory.zoo") / "weights.json"]
    modules = [_import_recipes(project) for project in _projects()]
    files += [resources.files(module) / "weights.json" for module in modules if module is not None]
    return [file.read_text(encoding="utf-8") for file in files if file.is_file()]


def _projects() -> list[str]:
    """Return the packages `detectory.projects.NAME.recipes` of the installed projects."""
    try:
        namespace = import_module("detectory.projects")
    except ModuleNotFoundError:
        return []
    return [f"detectory.projects.{module.name}.recipes" for module in pkgutil.iter_modules(namespace.__path__)]


def _import_recipes(package: str) -> ModuleType | None:
    """Import the recipes of a project, which register themselves; None if the project has none or is broken."""
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name == package:
            return None
        _logger.warning("The recipes of %s are not available: %s", package.removesuffix(".recipes"), error)
    except ImportError as error:
        _logger.warning("The recipes of %s are not available: %s", package.removesuffix(".recipes"), error)
    return None
