"""Settings of the confidences in a config."""

from detectory.compat.detectron2.config import CfgNode
from detectory.projects.densepose.modeling.confidence import (
    DensePoseConfidenceModelConfig,
    DensePoseSegmConfidenceConfig,
    DensePoseUVConfidenceConfig,
    DensePoseUVConfidenceType,
)


def confidences_from_config(cfg: CfgNode) -> DensePoseConfidenceModelConfig:
    """Return the confidences that `UV_CONFIDENCE` and `SEGM_CONFIDENCE` of `MODEL.ROI_DENSEPOSE_HEAD` enable."""
    uv, segm = cfg.MODEL.ROI_DENSEPOSE_HEAD.UV_CONFIDENCE, cfg.MODEL.ROI_DENSEPOSE_HEAD.SEGM_CONFIDENCE
    return DensePoseConfidenceModelConfig(
        DensePoseUVConfidenceConfig(uv.ENABLED, uv.EPSILON, DensePoseUVConfidenceType(uv.TYPE)),
        DensePoseSegmConfidenceConfig(segm.ENABLED, segm.EPSILON),
    )
