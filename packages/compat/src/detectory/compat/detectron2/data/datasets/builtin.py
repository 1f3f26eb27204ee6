"""The built-in datasets under another root; under the default one they are known without registration."""

import re
from functools import partial

from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.data.builtin.definitions import all_builtin, below_root

__all__ = [
    "register_all_ade20k",
    "register_all_cityscapes",
    "register_all_coco",
    "register_all_lvis",
    "register_all_pascal_voc",
]


def _register(pattern: str, root: str) -> None:
    """Let the built-in datasets whose whole names match be those below `root`."""
    for name, builtin in all_builtin().items():
        if not re.fullmatch(pattern, name):
            continue
        if name in DatasetCatalog:
            DatasetCatalog.remove(name)
        if name in MetadataCatalog:
            MetadataCatalog.remove(name)
        DatasetCatalog.register(name, partial(below_root, root, builtin.load))
        # The metadata of a built-in name start with those of the default root.
        MetadataCatalog.get(name).__dict__.update(below_root(root, builtin.describe))


def register_all_coco(root: str) -> None:
    """Look for COCO's instances, keypoints and panoptic segments in `root/coco`."""
    _register(r"(keypoints_)?coco_\d+_.*", root)


def register_all_lvis(root: str) -> None:
    """Look for LVIS's annotations in `root/lvis` and its images in `root/coco`."""
    _register(r"lvis_.*", root)


def register_all_cityscapes(root: str) -> None:
    """Look for Cityscapes' instances and semantic labels in `root/cityscapes`."""
    _register(r"cityscapes_fine_(instance|sem)_seg_.*", root)


def register_all_cityscapes_panoptic(root: str) -> None:
    """Look for Cityscapes' panoptic segments in `root/cityscapes`."""
    _register(r"cityscapes_fine_panoptic_.*", root)


def register_all_pascal_voc(root: str) -> None:
    """Look for Pascal VOC in `root/VOC2007` and `root/VOC2012`."""
    _register(r"voc_.*", root)


def register_all_ade20k(root: str) -> None:
    """Look for ADE20k in `root/ADEChallengeData2016`."""
    _register(r"ade20k_.*", root)
