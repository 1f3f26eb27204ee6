"""Recipes by zoo name, file or run folder."""

import contextlib
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from detectory import zoo
from detectory.core.config import LazyConfig
from detectory.core.devices import usable_device
from detectory.data import DatasetCatalog
from detectory.data.dataset_folder import DatasetFolder
from detectory.engine.recipe.run_folder import CONFIG_FILE
from detectory.engine.recipe.use_dataset import has_keypoints


def load_recipe(name: str) -> DictConfig:
    """Load a recipe by its zoo name or from a `.py` or `.yaml` file.

    Raises:
        KeyError: If `name` is neither; the message lists the nearest zoo names.
    """
    return LazyConfig.load(name) if Path(name).is_file() else zoo.get_config(name)


def load_run_recipe(folder: Path, *, needs_data: bool = True, data: Path | None = None) -> DictConfig:
    """Load the config of a run and register its dataset.

    Args:
        folder: The run folder.
        needs_data: Whether a missing dataset is an error; otherwise it is only not registered.
        data: The folder of the dataset, if it was moved since the training.

    Raises:
        FileNotFoundError: If the folder does not contain a config.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: not a run folder of detectory train: {CONFIG_FILE} is missing")
    config = LazyConfig.load(str(path))
    dataset = data or OmegaConf.select(config, "datasets.folder")
    if dataset and "datasets" in config and (data is not None or config.datasets.train not in DatasetCatalog):
        with contextlib.nullcontext() if needs_data or data is not None else contextlib.suppress(OSError, ValueError):
            DatasetFolder.find(dataset, keypoints=has_keypoints(config)).register(config.datasets.name)
    return config


def choose_device(config: DictConfig, device: str | None) -> str:
    """Set and return the device: `device` if given, else the recipe's, else the CPU if CUDA is unavailable."""
    chosen = device or str(config.train.device)
    if device is None and chosen.startswith("cuda") and not torch.cuda.is_available():
        chosen = "cpu"
    config.train.device = str(usable_device(chosen))
    return chosen
