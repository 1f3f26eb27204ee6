"""The datasets of a recipe: names, classes, mapper settings and keypoints."""

import logging
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from detectory.core.config.dotted_path import path_of
from detectory.data import MetadataCatalog
from detectory.data.classes import ClassList, align_classes
from detectory.data.mapping import create_keypoint_hflip_indices
from detectory.engine.recipe.data_checks import MapperSettings

_logger = logging.getLogger(__name__)


def dataset_names(config: DictConfig, *loaders: str) -> list[str]:
    """Return the catalog names of the datasets of some loaders of a recipe, by default of all."""
    names: list[str] = []
    for key, loader in config.dataloader.items():
        if loaders and key not in loaders:
            continue
        selected = OmegaConf.select(loader, "dataset.names") if isinstance(loader, DictConfig) else None
        names += [selected] if isinstance(selected, str) else list(selected or [])
    return names


def registered_classes(config: DictConfig) -> ClassList | None:
    """Return the classes that a run's config contains, or those of the training dataset if they are registered."""
    if (names := OmegaConf.select(config, "datasets.classes")) is not None:
        return ClassList.from_state({"names": names, "ids": OmegaConf.select(config, "datasets.category_ids")})
    for name in dataset_names(config, "train"):
        return ClassList.from_metadata(MetadataCatalog.get(name))
    return None


def align_test_classes(config: DictConfig, classes: ClassList | None) -> None:
    """Match the classes of all datasets but the training datasets by name to the classes of the model.

    Raises:
        ValueError: If a dataset has annotations of other classes.
    """
    if classes is not None:
        train = dataset_names(config, "train")
        align_classes(classes.names, [name for name in dataset_names(config) if name not in train])


def mapper_settings(config: DictConfig) -> MapperSettings | None:
    """Return the settings of the `DatasetMapper` of the training loader, or None if it has a custom mapper."""
    for node in _nodes(OmegaConf.select(config, "dataloader.train.mapper")):
        if _target_name(node) == "DatasetMapper":
            return MapperSettings(
                masks=bool(node.get("use_instance_mask", False)),
                mask_format=str(node.get("instance_mask_format", "polygon")),
                keypoints=bool(node.get("use_keypoint", False)),
            )
    return None


def fit_keypoints(config: DictConfig) -> None:
    """Set the flip indices of the mapper from the names of the dataset's keypoints if their number is different.

    The only setting for a new number of keypoints is then `model.roi_heads.keypoint_head.num_keypoints`.
    """
    count = OmegaConf.select(config, "model.roi_heads.keypoint_head.num_keypoints")
    names = dataset_names(config, "train")
    for node in _nodes(OmegaConf.select(config, "dataloader.train.mapper")) if count and names else ():
        indices = node.get("keypoint_hflip_indices")
        metadata = MetadataCatalog.get(names[0])
        keypoints = metadata.get("keypoint_names")
        if indices is None or len(indices) == count or not keypoints or len(keypoints) != count:
            continue
        node.keypoint_hflip_indices = create_keypoint_hflip_indices(names[0])
        pairs = metadata.keypoint_flip_map
        _logger.info(
            "a horizontal flip swaps the keypoints %s of %s, by their names",
            *(", ".join(" and ".join(pair) for pair in pairs) or "(none)", names[0]),
        )


def _nodes(node: Any) -> Iterator[DictConfig]:
    """Yield the dictionaries in a part of a recipe, the outer ones first."""
    if isinstance(node, DictConfig):
        yield node
        for value in node.values():
            yield from _nodes(value)
    elif isinstance(node, ListConfig):
        for value in node:
            yield from _nodes(value)


def _target_name(node: DictConfig) -> str:
    target = node.get("_target_")
    path = target if isinstance(target, str) else path_of(target) if callable(target) else None
    return (path or "").rpartition(".")[2]
