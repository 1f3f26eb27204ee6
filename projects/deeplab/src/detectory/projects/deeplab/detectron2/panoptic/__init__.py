"""Panoptic-DeepLab under Detectron2's module path: config keys, registered model and heads, mapper, YAML configs."""

from detectory.projects.deeplab.detectron2.panoptic.config import add_panoptic_deeplab_config
from detectory.projects.deeplab.detectron2.panoptic.dataset_mapper import PanopticDeeplabDatasetMapper
from detectory.projects.deeplab.detectron2.panoptic.panoptic_seg import (
    INS_EMBED_BRANCHES_REGISTRY,
    PanopticDeepLab,
    PanopticDeepLabInsEmbedHead,
    PanopticDeepLabSemSegHead,
    build_ins_embed_branch,
)

__all__ = [
    "INS_EMBED_BRANCHES_REGISTRY",
    "PanopticDeepLab",
    "PanopticDeepLabInsEmbedHead",
    "PanopticDeepLabSemSegHead",
    "PanopticDeeplabDatasetMapper",
    "add_panoptic_deeplab_config",
    "build_ins_embed_branch",
]
