"""Recipes by zoo name, file or run folder, and the changes that command-line options make to them."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from detectory import zoo
from detectory.core.config import LazyConfig
from detectory.core.devices import usable_device
from detectory.data import DatasetCatalog
from detectory.data.dataset_folder import DatasetFolder
from detectory.engine.recipe.run_folder import CONFIG_FILE

_NUM_CLASSES_KEYS = ("model.num_classes", "model.roi_heads.num_classes")
_NUM_KEYPOINTS_KEY = "model.roi_heads.keypoint_head.num_keypoints"


def load_recipe(name: str) -> DictConfig:
    """Load a recipe by its zoo name or from a `.py` or `.yaml` file.

    Raises:
        FileNotFoundError: If `name` is neither; the message lists the nearest zoo names.
    """
    return LazyConfig.load(name) if Path(name).is_file() else zoo.get_config(name)


def load_run(folder: Path, *, needs_data: bool = True, data: Path | None = None) -> DictConfig:
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
            DatasetFolder.find(dataset).register(config.datasets.name)
    return config


def use_dataset(
    config: DictConfig, folder: Path, *, keep_classes: bool = False, split: str = "val", for_training: bool = True
) -> DatasetFolder:
    """Point a recipe's loaders and evaluator at a dataset in any layout, and set the model's numbers to fit.

    The folder and the classes are stored under `config.datasets`, so that later commands can load the run.

    Args:
        config: The recipe, modified in place.
        folder: The dataset; see `DatasetFolder`.
        keep_classes: Keep the classes and keypoints of a trained model; the classes of the folder are matched by name.
        split: The split to evaluate on.
        for_training: Whether the dataset is used for training. Otherwise it needs no training split.
    """
    is_own = keep_classes and OmegaConf.select(config, "datasets.folder") == str(folder.resolve())
    dataset = DatasetFolder.find(folder, split, needs_train=for_training or is_own)
    name = folder.resolve().name
    train, val = dataset.register(name)
    config.dataloader.train.dataset.names = train
    config.dataloader.test.dataset.names = val
    classes = {"classes": list(dataset.classes), "category_ids": list(dataset.category_ids)}
    if keep_classes and "datasets" in config:
        classes = {key: list(config.datasets[key]) for key in classes if key in config.datasets}
    config.datasets = {"name": name, "folder": str(folder.resolve()), "train": train, "val": val, **classes}
    if not keep_classes:
        set_num_classes(config, len(dataset.classes))
        if dataset.num_keypoints and OmegaConf.select(config, _NUM_KEYPOINTS_KEY) is not None:
            OmegaConf.update(config, _NUM_KEYPOINTS_KEY, dataset.num_keypoints)
    return dataset


def set_num_classes(config: DictConfig, num_classes: int) -> None:
    """Set the number of classes of a recipe's model.

    Raises:
        ValueError: If the recipe has neither `model.num_classes` nor `model.roi_heads.num_classes`.
    """
    keys = [key for key in _NUM_CLASSES_KEYS if OmegaConf.select(config, key) is not None]
    if not keys:
        raise ValueError(f"set_num_classes: the recipe must have {' or '.join(_NUM_CLASSES_KEYS)}")
    for key in keys:
        OmegaConf.update(config, key, num_classes)


def apply_overrides(config: DictConfig, overrides: Sequence[str]) -> None:
    """Apply `key=value` arguments in place.

    Raises:
        ValueError: If an argument is not `key=value`, or the recipe does not have the key.
    """
    LazyConfig.apply_overrides(config, list(overrides))


def choose_device(config: DictConfig, device: str | None) -> str:
    """Set and return the device: `device` if given, else the recipe's, else the CPU if CUDA is unavailable."""
    chosen = device or str(config.train.device)
    if device is None and chosen.startswith("cuda") and not torch.cuda.is_available():
        chosen = "cpu"
    config.train.device = str(usable_device(chosen))
    return chosen
