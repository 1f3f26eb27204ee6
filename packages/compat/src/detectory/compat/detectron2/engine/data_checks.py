"""Comparison of a config's model with its datasets before the first step."""

from torch import nn

from detectory.compat.detectron2.config import CfgNode
from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.data.classes import ClassList, align_classes
from detectory.engine.recipe.data_checks import MapperSettings, check_model_and_data, training_classes


def prepare_classes(cfg: CfgNode, has_default_loader: bool) -> ClassList | None:
    """Return the classes of `DATASETS.TRAIN`, and match those of `DATASETS.TEST` by name.

    Args:
        cfg: The config.
        has_default_loader: Whether the training loader is the default one. A custom loader may not use the registered
            datasets, which are then not loaded.

    Raises:
        ValueError: If a dataset has annotations of classes that the first training dataset does not have.
    """
    train = list(cfg.DATASETS.TRAIN)
    if not has_default_loader:
        return ClassList.from_metadata(MetadataCatalog.get(train[0])) if train else None
    classes = training_classes(train)
    if classes is not None:
        align_classes(classes.names, [name for name in cfg.DATASETS.TEST if name not in train])
    return classes


def check_model(model: nn.Module, cfg: CfgNode, has_default_loader: bool) -> None:
    """Compare a model with the annotations of `DATASETS.TRAIN`.

    Raises:
        ValueError: If they do not fit together; the message names the setting to change.
    """
    if has_default_loader:
        settings = MapperSettings(bool(cfg.MODEL.MASK_ON), str(cfg.INPUT.MASK_FORMAT), bool(cfg.MODEL.KEYPOINT_ON))
        check_model_and_data(model, [name for name in cfg.DATASETS.TRAIN if name in DatasetCatalog], settings)
