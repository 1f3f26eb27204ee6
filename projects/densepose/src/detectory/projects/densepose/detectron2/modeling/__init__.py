"""Backbones, heads, predictors and losses that are built from a config."""

from detectory.projects.densepose.modeling.confidence import (
    DensePoseConfidenceModelConfig,
    DensePoseUVConfidenceType,
)

from .build import (
    build_densepose_embedder,
    build_densepose_head,
    build_densepose_losses,
    build_densepose_predictor,
)
from .hrfpn import build_hrfpn_backbone
from .hrnet import build_pose_hrnet_backbone
from .losses import DENSEPOSE_LOSS_REGISTRY, DensePoseChartLoss
from .predictors import DENSEPOSE_PREDICTOR_REGISTRY, DensePoseChartPredictor
from .registries import ROI_DENSEPOSE_HEAD_REGISTRY
from .roi_heads import DensePoseROIHeads

__all__ = [
    "DENSEPOSE_LOSS_REGISTRY",
    "DENSEPOSE_PREDICTOR_REGISTRY",
    "ROI_DENSEPOSE_HEAD_REGISTRY",
    "DensePoseChartLoss",
    "DensePoseChartPredictor",
    "DensePoseConfidenceModelConfig",
    "DensePoseROIHeads",
    "DensePoseUVConfidenceType",
    "build_densepose_embedder",
    "build_densepose_head",
    "build_densepose_losses",
    "build_densepose_predictor",
    "build_hrfpn_backbone",
    "build_pose_hrnet_backbone",
]
