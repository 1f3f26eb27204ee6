"""The table of recipes by name, filled by the family modules."""

from collections.abc import Callable

from omegaconf import DictConfig

Recipe = Callable[[], DictConfig]

RECIPES: dict[str, Recipe] = {}
"""Functions that return a whole config, by name without suffix."""


def recipe(name: str) -> Callable[[Recipe], Recipe]:
    """Register the decorated function, which takes no arguments and returns a whole config, under `name`.

    Raises:
        ValueError: If the name is already registered.
    """

    def register(function: Recipe) -> Recipe:
        if name in RECIPES:
            raise ValueError(f"recipe: name '{name}' is already registered by {RECIPES[name].__module__}")
        RECIPES[name] = function
        return function

    return register
