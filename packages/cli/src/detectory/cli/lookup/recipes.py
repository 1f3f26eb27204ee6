"""Turns what a person names on the command line into a config: a recipe of the zoo, a file, the folder of a run."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from detectory import zoo
from detectory.cli.datasets.coco_folder import CocoFolder
from detectory.core.config import LazyConfig
from detectory.core.devices import usable_device
from detectory.data import DatasetCatalog, MetadataCatalog

#: A run's folder holds its config under this name.
CONFIG_FILE = "config.yaml"


def load_recipe(name: str) -> DictConfig:
    """Load a recipe by its name in the zoo, or from a `.py` or `.yaml` file in Detectory's format.

    Raises:
        FileNotFoundError: `name` is neither; lists the nearest names of the zoo.
    """
    return LazyConfig.load(name) if Path(name).is_file() else zoo.get_config(name)


def load_run(folder: Path) -> DictConfig:
    """Load the config of a run and register its dataset again.

    Raises:
        FileNotFoundError: the folder holds no config.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: no run of detectory train: it holds no {CONFIG_FILE}")
    config = LazyConfig.load(str(path))
    if "datasets" in config and config.datasets.folder and config.datasets.train not in DatasetCatalog:
        CocoFolder.find(Path(config.datasets.folder)).register(config.datasets.name)
    return config


def use_dataset(config: DictConfig, folder: Path) -> CocoFolder:
    """Point a recipe at a folder in COCO layout: loaders, evaluator and the number of classes.

    `config.datasets` keeps the folder and the names of the classes, so that a run can be evaluated and used later.
    """
    found = CocoFolder.find(folder)
    name = folder.resolve().name
    train, val = found.register(name)
    config.dataloader.train.dataset.names = train
    config.dataloader.test.dataset.names = val
    config.datasets = {
        "name": name,
        "folder": str(folder.resolve()),
        "train": train,
        "val": val,
        "classes": list(found.classes),
    }
    set_num_classes(config, len(found.classes))
    return found


def set_num_classes(config: DictConfig, num_classes: int) -> None:
    """Set the number of classes of a recipe's model, wherever its architecture keeps it.

    Raises:
        ValueError: the recipe's model has no number of classes that is known here.
    """
    changed = False
    for key in ("model.num_classes", "model.roi_heads.num_classes"):
        if OmegaConf.select(config, key) is not None:
            OmegaConf.update(config, key, num_classes)
            changed = True
    if not changed:
        raise ValueError("set_num_classes: neither model.num_classes nor model.roi_heads.num_classes is in the recipe")


def apply_overrides(config: DictConfig, overrides: Sequence[str]) -> None:
    """Apply `key=value` arguments in place.

    Raises:
        ValueError: an argument is no `key=value`, or names a key that the recipe lacks.
    """
    LazyConfig.apply_overrides(config, list(overrides))


def choose_device(config: DictConfig, device: str | None) -> str:
    """Set and return the device: the one asked for, else the recipe's, else the CPU where there is no CUDA device."""
    wanted = device or str(config.train.device)
    if device is None and wanted.startswith("cuda") and not torch.cuda.is_available():
        wanted = "cpu"
    config.train.device = str(usable_device(wanted))
    return wanted


def metadata(config: DictConfig) -> Any:
    """Return the metadata of a recipe's classes: the run's own names, else that of the dataset that it is made for."""
    if "datasets" in config:
        return SimpleNamespace(thing_classes=list(config.datasets.classes))
    names = config.dataloader.test.dataset.names
    return MetadataCatalog.get(str(names if isinstance(names, str) else names[0]))


def last_checkpoint(run: Path) -> str:
    """Return the path of a run's last checkpoint.

    Raises:
        FileNotFoundError: the folder holds none.
    """
    marker = run / "last_checkpoint"
    if not marker.is_file():
        raise FileNotFoundError(f"{run}: holds no checkpoint yet (no file last_checkpoint)")
    return str(run / marker.read_text(encoding="utf-8").strip())
