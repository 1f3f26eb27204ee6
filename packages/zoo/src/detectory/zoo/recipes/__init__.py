"""Recipes: complete configs of a model, its data and its training, one module per family."""

from importlib import import_module

from detectory.core.suggestions import nearest
from detectory.zoo.recipes.recipe_table import RECIPES, Recipe

__all__ = ["find_recipe", "recipe_names"]

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

    Families are imported on demand.

    Raises:
        KeyError: If the recipe does not exist; the message lists the nearest names.
    """
    for family in _FAMILIES:
        import_module(f"{__name__}.{family}")
        if name in RECIPES:
            return RECIPES[name]
    raise KeyError(f"the zoo has no recipe '{name}', {nearest(name, RECIPES)}")


def recipe_names() -> list[str]:
    """Return the sorted names of all recipes, without suffix."""
    for family in _FAMILIES:
        import_module(f"{__name__}.{family}")
    return sorted(RECIPES)
