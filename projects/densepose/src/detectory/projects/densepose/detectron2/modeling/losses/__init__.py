"""Losses, built from a config."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.projects.densepose.detectron2.modeling.config import confidences_from_config
from detectory.projects.densepose.detectron2.modeling.registries import DENSEPOSE_LOSS_REGISTRY
from detectory.projects.densepose.modeling import losses as native
from detectory.projects.densepose.modeling.losses.cycles import PixToShapeCycleLoss, ShapeToShapeCycleLoss
from detectory.projects.densepose.modeling.losses.embedding import EmbeddingLoss, SoftEmbeddingLoss

__all__ = [
    "DENSEPOSE_LOSS_REGISTRY",
    "DensePoseChartLoss",
    "DensePoseChartWithConfidenceLoss",
    "DensePoseCseLoss",
    "EmbeddingLoss",
    "SoftEmbeddingLoss",
]


def _chart_arguments(cfg: CfgNode) -> dict[str, Any]:
    settings = cfg.MODEL.ROI_DENSEPOSE_HEAD
    return {
        "point_regression_weight": settings.POINT_REGRESSION_WEIGHTS,
        "part_weight": settings.PART_WEIGHTS,
        "segm_weight": settings.INDEX_WEIGHTS,
        "num_coarse_segm_channels": settings.NUM_COARSE_SEGM_CHANNELS,
        "segm_trained_by_masks": settings.COARSE_SEGM_TRAINED_BY_MASKS,
    }


@DENSEPOSE_LOSS_REGISTRY.register()
class DensePoseChartLoss(native.DensePoseChartLoss):
    """`detectory.projects.densepose.modeling.DensePoseChartLoss` that can also be built from a config."""

    __init__ = configurable(native.DensePoseChartLoss.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Read the arguments from `MODEL.ROI_DENSEPOSE_HEAD`."""
        return _chart_arguments(cfg)


@DENSEPOSE_LOSS_REGISTRY.register()
class DensePoseChartWithConfidenceLoss(native.DensePoseChartWithConfidenceLoss):
    """`detectory.projects.densepose.modeling.DensePoseChartWithConfidenceLoss` that can also be built from a config."""

    __init__ = configurable(native.DensePoseChartWithConfidenceLoss.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Read the arguments from `MODEL.ROI_DENSEPOSE_HEAD`."""
        return _chart_arguments(cfg) | {"confidences": confidences_from_config(cfg)}


@DENSEPOSE_LOSS_REGISTRY.register()
class DensePoseCseLoss(native.DensePoseCseLoss):
    """`detectory.projects.densepose.modeling.DensePoseCseLoss` that can also be built from a config."""

    __init__ = configurable(native.DensePoseCseLoss.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Read the arguments from `MODEL.ROI_DENSEPOSE_HEAD` and its node `CSE`.

        Raises:
            ValueError: If `EMBED_LOSS_NAME` is unknown.
        """
        settings = cfg.MODEL.ROI_DENSEPOSE_HEAD
        cse = settings.CSE
        described = {
            "embed_loss": _embed_loss(cse),
            "segm_weight": settings.INDEX_WEIGHTS,
            "embed_weight": cse.EMBED_LOSS_WEIGHT,
            "num_coarse_segm_channels": settings.NUM_COARSE_SEGM_CHANNELS,
            "segm_trained_by_masks": settings.COARSE_SEGM_TRAINED_BY_MASKS,
            "shape2shape_weight": cse.SHAPE_TO_SHAPE_CYCLE_LOSS.WEIGHT,
            "pix2shape_weight": cse.PIX_TO_SHAPE_CYCLE_LOSS.WEIGHT,
        }
        names, shapes, pixels = list(cse.EMBEDDERS), cse.SHAPE_TO_SHAPE_CYCLE_LOSS, cse.PIX_TO_SHAPE_CYCLE_LOSS
        if shapes.ENABLED:
            described["shape2shape"] = ShapeToShapeCycleLoss(
                names, shapes.MAX_NUM_VERTICES, shapes.TEMPERATURE, shapes.NORM_P
            )
        if pixels.ENABLED:
            described["pix2shape"] = PixToShapeCycleLoss(
                names,
                num_pixels_to_sample=pixels.NUM_PIXELS_TO_SAMPLE,
                temperature_pix_to_vertex=pixels.TEMPERATURE_PIXEL_TO_VERTEX,
                temperature_vertex_to_pix=pixels.TEMPERATURE_VERTEX_TO_PIXEL,
                use_all_shapes=pixels.USE_ALL_MESHES_NOT_GT_ONLY,
                norm_p=pixels.NORM_P,
            )
        return described


def _embed_loss(cse: CfgNode) -> EmbeddingLoss:
    if cse.EMBED_LOSS_NAME == "EmbeddingLoss":
        return EmbeddingLoss(cse.EMBEDDING_DIST_GAUSS_SIGMA)
    if cse.EMBED_LOSS_NAME == "SoftEmbeddingLoss":
        return SoftEmbeddingLoss(cse.EMBEDDING_DIST_GAUSS_SIGMA, cse.GEODESIC_DIST_GAUSS_SIGMA)
    raise ValueError(
        "DensePoseCseLoss: MODEL.ROI_DENSEPOSE_HEAD.CSE.EMBED_LOSS_NAME must be 'EmbeddingLoss' or "
        f"'SoftEmbeddingLoss', got {cse.EMBED_LOSS_NAME!r}"
    )
