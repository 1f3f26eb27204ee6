"""The table of recipes by name, which the family modules fill."""

from collections.abc import Callable

from omegaconf import DictConfig

Recipe = Callable[[], DictConfig]

RECIPES: dict[str, Recipe] = {}


def recipe(name: str) -> Callable[[Recipe], Recipe]:
    """Enter the decorated function, which takes nothing and returns a whole config, under `name`.

    Raises:
        ValueError: the name is taken.
    """

    def enter(function: Recipe) -> Recipe:
        if name in RECIPES:
            raise ValueError(f"recipe: the name '{name}' is taken by {RECIPES[name].__module__}")
        RECIPES[name] = function
        return function

    return enter


def whole_config(**parts: object) -> DictConfig:
    """Return a config of the parts `model`, `dataloader`, `optimizer`, `lr_multiplier` and `train`."""
    return DictConfig(parts, flags={"allow_objects": True})
