"""Backbones, heads, predictors and losses."""

from .confidence import (
    DensePoseConfidenceModelConfig,
    DensePoseSegmConfidenceConfig,
    DensePoseUVConfidenceConfig,
    DensePoseUVConfidenceType,
)
from .cse import Embedder, EmbedderSpec
from .decoder import Decoder
from .heads import DensePoseDeepLabHead, DensePoseV1ConvXHead
from .hrfpn import HRFPN
from .hrnet import HRNetStage, PoseHigherResolutionNet
from .losses import DensePoseChartLoss, DensePoseChartWithConfidenceLoss, DensePoseCseLoss
from .predictors import (
    DensePoseChartPredictor,
    DensePoseChartWithConfidencePredictor,
    DensePoseEmbeddingPredictor,
    DensePoseEmbeddingWithConfidencePredictor,
)
from .roi_heads import DensePoseROIHeads

__all__ = [
    "HRFPN",
    "Decoder",
    "DensePoseChartLoss",
    "DensePoseChartPredictor",
    "DensePoseChartWithConfidenceLoss",
    "DensePoseChartWithConfidencePredictor",
    "DensePoseConfidenceModelConfig",
    "DensePoseCseLoss",
    "DensePoseDeepLabHead",
    "DensePoseEmbeddingPredictor",
    "DensePoseEmbeddingWithConfidencePredictor",
    "DensePoseROIHeads",
    "DensePoseSegmConfidenceConfig",
    "DensePoseUVConfidenceConfig",
    "DensePoseUVConfidenceType",
    "DensePoseV1ConvXHead",
    "Embedder",
    "EmbedderSpec",
    "HRNetStage",
    "PoseHigherResolutionNet",
]
