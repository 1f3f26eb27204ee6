"""Panoptic-DeepLab: panoptic segmentation by semantic classes, centers of instances and offsets to them."""

from .heads import PanopticDeepLabInsEmbedHead, PanopticDeepLabSemSegHead
from .mapper import PanopticDeepLabDatasetMapper
from .model import PanopticDeepLab
from .post_processing import get_panoptic_segmentation
from .target_generator import PanopticDeepLabTargetGenerator

__all__ = [
    "PanopticDeepLab",
    "PanopticDeepLabDatasetMapper",
    "PanopticDeepLabInsEmbedHead",
    "PanopticDeepLabSemSegHead",
    "PanopticDeepLabTargetGenerator",
    "get_panoptic_segmentation",
]
