"""`advise`: all advice on a dataset and a recipe."""

from omegaconf import DictConfig

from detectory.data.statistics import DatasetStatistics
from detectory.engine.advice.advice import Advice
from detectory.engine.advice.classes import advise_on_classes
from detectory.engine.advice.limits import advise_on_limits
from detectory.engine.advice.object_sizes import advise_on_sizes
from detectory.engine.advice.recipe_view import RecipeView


def advise(statistics: DatasetStatistics, config: DictConfig, val: DatasetStatistics | None = None) -> list[Advice]:
    """Return what a recipe does not fit in a dataset, with the settings that change it.

    Args:
        statistics: Statistics of the training images.
        config: The recipe.
        val: Statistics of the validation images.
    """
    view = RecipeView(config)
    return [
        *advise_on_sizes(statistics, view),
        *advise_on_classes(statistics, view, val),
        *advise_on_limits(statistics, view),
    ]
