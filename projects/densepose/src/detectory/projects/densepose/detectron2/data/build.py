"""Data loaders, built from a config."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.data import build_detection_test_loader as build_test_loader
from detectory.compat.detectron2.data import build_detection_train_loader as build_train_loader
from detectory.data import MetadataCatalog
from detectory.projects.densepose.data import set_categories

from .dataset_mapper import DatasetMapper

__all__ = ["build_detection_test_loader", "build_detection_train_loader", "set_dataset_categories"]


def set_dataset_categories(cfg: CfgNode) -> None:
    """Apply the whitelists, category maps and meshes of `DATASETS` to the metadata of its datasets."""
    meshes = {str(label): name for label, name in cfg.DATASETS.CLASS_TO_MESH_NAME_MAPPING.items()}
    for name in (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST):
        whitelist = cfg.DATASETS.WHITELISTED_CATEGORIES.get(name)
        renamed = cfg.DATASETS.CATEGORY_MAPS.get(name)
        if whitelist is not None or renamed is not None:
            set_categories(name, whitelist, {int(old): new for old, new in (renamed or {}).items()})
        MetadataCatalog.get(name).class_to_mesh_name = meshes


def build_detection_train_loader(cfg: CfgNode, mapper: Any = None) -> Any:
    """Return the training loader of the config; `DatasetMapper` by default."""
    set_dataset_categories(cfg)
    return build_train_loader(cfg, mapper=mapper or DatasetMapper(cfg, is_train=True))


def build_detection_test_loader(cfg: CfgNode, dataset_name: str, mapper: Any = None) -> Any:
    """Return the test loader of a dataset; `DatasetMapper` by default."""
    set_dataset_categories(cfg)
    return build_test_loader(cfg, dataset_name, mapper=mapper or DatasetMapper(cfg, is_train=False))
