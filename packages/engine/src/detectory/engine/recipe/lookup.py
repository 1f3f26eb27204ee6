"""Recipes by zoo name or file."""

from pathlib import Path

from omegaconf import DictConfig

from detectory import zoo
from detectory.core.config import LazyConfig


def load_recipe(name: str) -> DictConfig:
    """Load a recipe by its zoo name or from a `.py` or `.yaml` file.

    Raises:
        KeyError: If `name` is neither; the message lists the nearest zoo names.
    """
    return LazyConfig.load(name) if Path(name).is_file() else zoo.get_config(name)
