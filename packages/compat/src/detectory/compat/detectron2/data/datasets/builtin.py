"""Registration of the built-in datasets under another root; those under the default root are always registered."""

import os
import re
from functools import partial

from detectory.compat.detectron2.data.datasets.builtin_meta import _get_builtin_metadata
from detectory.compat.detectron2.data.datasets.cityscapes import load_cityscapes_instances, load_cityscapes_semantic
from detectory.compat.detectron2.data.datasets.coco import load_sem_seg, register_coco_instances
from detectory.compat.detectron2.data.datasets.coco_panoptic import (
    register_coco_panoptic,
    register_coco_panoptic_separated,
)
from detectory.compat.detectron2.data.datasets.lvis import get_lvis_instances_meta, register_lvis_instances
from detectory.compat.detectron2.data.datasets.pascal_voc import register_pascal_voc
from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.data.builtin import builtin_datasets, with_root
from detectory.data.builtin.lvis import _FILES

__all__ = [
    "_PREDEFINED_SPLITS_COCO",
    "_PREDEFINED_SPLITS_COCO_PANOPTIC",
    "_PREDEFINED_SPLITS_LVIS",
    "_RAW_CITYSCAPES_SPLITS",
    "DatasetCatalog",
    "MetadataCatalog",
    "_get_builtin_metadata",
    "get_lvis_instances_meta",
    "load_cityscapes_instances",
    "load_cityscapes_semantic",
    "load_sem_seg",
    "register_all_ade20k",
    "register_all_cityscapes",
    "register_all_coco",
    "register_all_lvis",
    "register_all_pascal_voc",
    "register_coco_instances",
    "register_coco_panoptic",
    "register_coco_panoptic_separated",
    "register_lvis_instances",
    "register_pascal_voc",
]


def _coco_splits(prefix: str, annotations: str) -> dict[str, tuple[str, str]]:
    splits = {
        "2014": ("train", "val", "minival", "valminusminival"),
        "2017": ("train", "val", "val_100"),
    }
    files = {}
    for year, names in splits.items():
        for name in names:
            images = f"coco/{'train' if name == 'train' else 'val'}{year}"
            stem = f"val{year}_100" if name == "val_100" else f"{name}{year}"
            files[f"{prefix}coco_{year}_{name}"] = (images, f"coco/annotations/{annotations}_{stem}.json")
    return files


# Folders and annotation files below the root, in the layout of Detectron2's tables.
_PREDEFINED_SPLITS_COCO = {
    "coco": _coco_splits("", "instances"),
    "coco_person": _coco_splits("keypoints_", "person_keypoints"),
}
_PREDEFINED_SPLITS_COCO_PANOPTIC = {
    f"coco_2017_{name}_panoptic": (
        f"coco/panoptic_{stem}",
        f"coco/annotations/panoptic_{stem}.json",
        f"coco/panoptic_stuff_{stem}",
    )
    for name, stem in (("train", "train2017"), ("val", "val2017"), ("val_100", "val2017_100"))
}
_PREDEFINED_SPLITS_LVIS = {
    version: {name: ("coco/", f"lvis/{stem}.json") for name, stem in _FILES.items() if select(name)}
    for version, select in (
        ("lvis_v1", lambda name: name.startswith("lvis_v1")),
        ("lvis_v0.5", lambda name: name.startswith("lvis_v0.5") and "cocofied" not in name),
        ("lvis_v0.5_cocofied", lambda name: "cocofied" in name),
    )
}
# Folders of images and labels in the layout of Detectron2's tables; `{task}` is replaced by a registered name.
_RAW_CITYSCAPES_SPLITS = {
    f"cityscapes_fine_{{task}}_{split}": (f"cityscapes/leftImg8bit/{split}/", f"cityscapes/gtFine/{split}/")
    for split in ("train", "val", "test")
}
_root = os.path.expanduser(os.getenv("DETECTRON2_DATASETS", "datasets"))


def _register(pattern: str, root: str) -> None:
    """Register the built-in datasets whose full names match `pattern` with files under `root`."""
    for name, builtin in builtin_datasets().items():
        if not re.fullmatch(pattern, name):
            continue
        if name in DatasetCatalog:
            DatasetCatalog.remove(name)
        if name in MetadataCatalog:
            MetadataCatalog.remove(name)
        DatasetCatalog.register(name, partial(with_root, root, builtin.load))
        # A builtin's metadata is created with the paths of the default root.
        MetadataCatalog.get(name).__dict__.update(with_root(root, builtin.metadata))


def register_all_coco(root: str) -> None:
    """Register COCO instances, keypoints and panoptic segments under `root/coco`."""
    _register(r"(keypoints_)?coco_\d+_.*", root)


def register_all_lvis(root: str) -> None:
    """Register LVIS annotations under `root/lvis` and images under `root/coco`."""
    _register(r"lvis_.*", root)


def register_all_cityscapes(root: str) -> None:
    """Register Cityscapes instances and semantic labels under `root/cityscapes`."""
    _register(r"cityscapes_fine_(instance|sem)_seg_.*", root)


def register_all_cityscapes_panoptic(root: str) -> None:
    """Register Cityscapes panoptic segments under `root/cityscapes`."""
    _register(r"cityscapes_fine_panoptic_.*", root)


def register_all_pascal_voc(root: str) -> None:
    """Register Pascal VOC under `root/VOC2007` and `root/VOC2012`."""
    _register(r"voc_.*", root)


def register_all_ade20k(root: str) -> None:
    """Register ADE20K under `root/ADEChallengeData2016`."""
    _register(r"ade20k_.*", root)
