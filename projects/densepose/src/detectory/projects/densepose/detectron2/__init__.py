"""DensePose under the names of Detectron2's project, which the alias `densepose` resolves to."""

from detectory.projects.densepose.structures import DensePoseDataRelative, DensePoseList, DensePoseTransformData

from .config import (
    add_bootstrap_config,
    add_dataset_category_config,
    add_densepose_config,
    add_densepose_head_config,
    add_hrnet_config,
    load_bootstrap_config,
)
from .data import datasets
from .evaluation import DensePoseCOCOEvaluator
from .modeling.hrfpn import build_hrfpn_backbone
from .modeling.roi_heads import DensePoseROIHeads

__all__ = [
    "DensePoseCOCOEvaluator",
    "DensePoseDataRelative",
    "DensePoseList",
    "DensePoseROIHeads",
    "DensePoseTransformData",
    "add_bootstrap_config",
    "add_dataset_category_config",
    "add_densepose_config",
    "add_densepose_head_config",
    "add_hrnet_config",
    "build_hrfpn_backbone",
    "datasets",
    "load_bootstrap_config",
]
