"""Advice on the datasets that a recipe names."""

from collections.abc import Sequence
from itertools import chain

from omegaconf import DictConfig

from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.data.statistics import DatasetStatistics, dataset_statistics
from detectory.engine.advice.advice import Advice
from detectory.engine.advice.advise import advise
from detectory.engine.recipe.datasets import dataset_names


def advise_on_training(config: DictConfig) -> list[Advice]:
    """Return the advice on the registered training and validation datasets of a recipe.

    Classes of the validation dataset are compared by name. A dataset without thing classes is not described.
    """
    train, val = (_statistics(dataset_names(config, loader)) for loader in ("train", "test"))
    return advise(train, config, val) if train is not None else []


def _statistics(names: Sequence[str]) -> DatasetStatistics | None:
    records = list(chain.from_iterable(DatasetCatalog.get(name) for name in names))
    classes = MetadataCatalog.get(names[0]).get("thing_classes") if names else None
    return dataset_statistics(records, list(classes)) if classes else None
