"""Recipes by zoo name, file or run folder."""

import contextlib
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from detectory import zoo
from detectory.core.config import LazyConfig
from detectory.core.devices import usable_device
from detectory.core.suggestions import nearest_names
from detectory.data import DatasetCatalog
from detectory.data.dataset_folder import DatasetFolder
from detectory.engine.recipe.run_folder import CONFIG_FILE
from detectory.engine.recipe.use_dataset import has_keypoints
from detectory.zoo.published import without_suffix
from detectory.zoo.recipes import recipe_names

_PARTS = ("model", "dataloader", "train")


def load_recipe(name: str, *, needs_parts: bool = True) -> DictConfig:
    """Load a recipe by its zoo name or from a `.py` or `.yaml` file.

    Args:
        name: The name or path.
        needs_parts: Whether a file without model, data and training settings is an error.

    Raises:
        FileNotFoundError: If `name` is neither; the message lists the nearest zoo names.
        IsADirectoryError: If `name` is a folder.
        ValueError: If the file does not define the parts of a recipe.
    """
    if Path(name).is_file():
        config = LazyConfig.load(name)
        if needs_parts:
            _require_parts(config, name)
        return config
    if without_suffix(name) in recipe_names():
        return zoo.get_config(name)
    if Path(name).is_dir():
        raise IsADirectoryError(f"{name} is a folder, not a recipe. For a run folder, use --run")
    similar = nearest_names(without_suffix(name), recipe_names())
    hint = f"Did you mean {' or '.join(similar)}?" if similar else "'detectory zoo list' prints the names of the zoo"
    raise FileNotFoundError(f"{name}: no such file, and not a recipe of the zoo. {hint}")


def load_run_recipe(
    folder: Path, *, needs_data: bool = True, data: Path | None = None, needs_parts: bool = True
) -> DictConfig:
    """Load the config of a run and register its dataset.

    Args:
        folder: The run folder.
        needs_data: Whether a missing dataset is an error; otherwise it is only not registered.
        data: The folder of the dataset, if it was moved since the training.
        needs_parts: As for `load_recipe`.

    Raises:
        FileNotFoundError: If the folder does not contain a config.
        ValueError: If the config does not define the parts of a recipe.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: not a run folder of detectory train: {CONFIG_FILE} is missing")
    config = LazyConfig.load(str(path))
    if needs_parts:
        _require_parts(config, str(path))
    dataset = data or OmegaConf.select(config, "datasets.folder")
    if dataset and "datasets" in config and (data is not None or config.datasets.train not in DatasetCatalog):
        with contextlib.nullcontext() if needs_data or data is not None else contextlib.suppress(OSError, ValueError):
            DatasetFolder.find(dataset, keypoints=has_keypoints(config)).register(config.datasets.name)
    return config


def _require_parts(config: DictConfig, name: str) -> None:
    missing = [part for part in _PARTS if not isinstance(config.get(part), DictConfig)]
    if missing:
        defined = f"it defines {', '.join(map(str, config))}" if config else "it is empty"
        raise ValueError(f"{name}: not a recipe: {' and '.join(missing)} must be config nodes, but {defined}")


def choose_device(config: DictConfig, device: str | None) -> str:
    """Set and return the device: `device` if given, else the recipe's, else the CPU if CUDA is unavailable."""
    chosen = device or str(config.train.device)
    if device is None and chosen.startswith("cuda") and not torch.cuda.is_available():
        chosen = "cpu"
    config.train.device = str(usable_device(chosen))
    return chosen
