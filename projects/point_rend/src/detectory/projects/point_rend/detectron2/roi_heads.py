"""ROI heads of configs from before PointRend's mask head contained both of its parts."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY, StandardROIHeads

__all__ = ["PointRendROIHeads"]


@ROI_HEADS_REGISTRY.register()
class PointRendROIHeads(StandardROIHeads):
    """`StandardROIHeads` for configs with the mask head `CoarseMaskHead`, which is now `PointRendMaskHead`.

    The parameters of old checkpoints are renamed by `PointRendMaskHead`.
    """

    @classmethod
    def _init_mask_head(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:
        if cfg.MODEL.MASK_ON and cfg.MODEL.ROI_MASK_HEAD.NAME == "CoarseMaskHead":
            cfg = cfg.clone()
            cfg.defrost()
            cfg.MODEL.ROI_MASK_HEAD.NAME, cfg.MODEL.ROI_MASK_HEAD.POOLER_TYPE = "PointRendMaskHead", ""
        return super()._init_mask_head(cfg, input_shape)
