"""Recipes: whole descriptions of a model, its data and its training, one module for each family."""

from importlib import import_module

from detectory.core.suggestions import nearest
from detectory.zoo.recipes.recipe_table import RECIPES, Recipe

__all__ = ["find_recipe", "recipe_names"]

_FAMILIES = (
    "mask_rcnn",
    "dense_detectors",
    "keypoint_rcnn",
    "panoptic_fpn",
    "regnet",
    "new_baselines",
    "vitdet",
    "swin",
    "mvitv2",
    "mmdet_mask_rcnn",
    "imagenet",
)


def find_recipe(name: str) -> Recipe:
    """Return the recipe of this name, e.g. `"COCO-Detection/fcos_R_50_FPN_1x.py"`; families are imported as needed.

    Raises:
        KeyError: there is none; the message lists the nearest.
    """
    for family in _FAMILIES:
        import_module(f"{__name__}.{family}")
        if name in RECIPES:
            return RECIPES[name]
    raise KeyError(f"the zoo has no recipe '{name}', {nearest(name, RECIPES)}")


def recipe_names() -> list[str]:
    """Return the names of all recipes, sorted."""
    for family in _FAMILIES:
        import_module(f"{__name__}.{family}")
    return sorted(RECIPES)
