"""Predictors, built from a config."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.projects.densepose.detectron2.modeling.config import confidences_from_config
from detectory.projects.densepose.detectron2.modeling.registries import DENSEPOSE_PREDICTOR_REGISTRY
from detectory.projects.densepose.modeling import predictors as native

__all__ = [
    "DENSEPOSE_PREDICTOR_REGISTRY",
    "DensePoseChartPredictor",
    "DensePoseChartWithConfidencePredictor",
    "DensePoseEmbeddingPredictor",
    "DensePoseEmbeddingWithConfidencePredictor",
]


def _arguments(cfg: CfgNode, input_channels: int) -> dict[str, Any]:
    settings = cfg.MODEL.ROI_DENSEPOSE_HEAD
    return {
        "input_channels": input_channels,
        "num_coarse_segm_channels": settings.NUM_COARSE_SEGM_CHANNELS,
        "kernel": settings.DECONV_KERNEL,
        "up_scale": settings.UP_SCALE,
    }


@DENSEPOSE_PREDICTOR_REGISTRY.register()
class DensePoseChartPredictor(native.DensePoseChartPredictor):
    """`detectory.projects.densepose.modeling.DensePoseChartPredictor` that can also be built from a config."""

    __init__ = configurable(native.DensePoseChartPredictor.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_channels: int) -> dict[str, Any]:
        """Read the arguments from `MODEL.ROI_DENSEPOSE_HEAD`."""
        return _arguments(cfg, input_channels) | {"num_patches": cfg.MODEL.ROI_DENSEPOSE_HEAD.NUM_PATCHES}


@DENSEPOSE_PREDICTOR_REGISTRY.register()
class DensePoseChartWithConfidencePredictor(native.DensePoseChartWithConfidencePredictor):
    """The predictor of charts with confidences that can also be built from a config."""

    __init__ = configurable(native.DensePoseChartWithConfidencePredictor.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_channels: int) -> dict[str, Any]:
        """Read the arguments from `MODEL.ROI_DENSEPOSE_HEAD`."""
        patches = cfg.MODEL.ROI_DENSEPOSE_HEAD.NUM_PATCHES
        confidences = {"confidences": confidences_from_config(cfg), "num_patches": patches}
        return _arguments(cfg, input_channels) | confidences


@DENSEPOSE_PREDICTOR_REGISTRY.register()
class DensePoseEmbeddingPredictor(native.DensePoseEmbeddingPredictor):
    """`detectory.projects.densepose.modeling.DensePoseEmbeddingPredictor` that can also be built from a config."""

    __init__ = configurable(native.DensePoseEmbeddingPredictor.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_channels: int) -> dict[str, Any]:
        """Read the arguments from `MODEL.ROI_DENSEPOSE_HEAD`."""
        return _arguments(cfg, input_channels) | {"embed_size": cfg.MODEL.ROI_DENSEPOSE_HEAD.CSE.EMBED_SIZE}


@DENSEPOSE_PREDICTOR_REGISTRY.register()
class DensePoseEmbeddingWithConfidencePredictor(native.DensePoseEmbeddingWithConfidencePredictor):
    """The predictor of embeddings with confidence that can also be built from a config."""

    __init__ = configurable(native.DensePoseEmbeddingWithConfidencePredictor.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_channels: int) -> dict[str, Any]:
        """Read the arguments from `MODEL.ROI_DENSEPOSE_HEAD`."""
        size = cfg.MODEL.ROI_DENSEPOSE_HEAD.CSE.EMBED_SIZE
        return _arguments(cfg, input_channels) | {"confidences": confidences_from_config(cfg), "embed_size": size}
