"""ROI heads for rotated boxes."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.modeling.roi_heads.box_head import build_box_head
from detectory.compat.detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputLayers
from detectory.compat.detectron2.modeling.roi_heads.roi_heads import (
    ROI_HEADS_REGISTRY,
    Shapes,
    StandardROIHeads,
    _pooler_and_shape,
)
from detectory.modeling import roi_heads as native
from detectory.modeling.box_regression import Box2BoxTransformRotated
from detectory.modeling.roi_heads import fast_rcnn_inference_rotated, fast_rcnn_inference_single_image_rotated

__all__ = [
    "RROIHeads",
    "RotatedFastRCNNOutputLayers",
    "fast_rcnn_inference_rotated",
    "fast_rcnn_inference_single_image_rotated",
]


class RotatedFastRCNNOutputLayers(FastRCNNOutputLayers, native.RotatedFastRCNNOutputLayers):
    """`detectory.modeling.roi_heads.RotatedFastRCNNOutputLayers` that can also be built from a config."""

    __init__ = configurable(native.RotatedFastRCNNOutputLayers.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: Any) -> dict[str, Any]:
        """Read the arguments of `FastRCNNOutputLayers`, with a rotated box transform."""
        transform = Box2BoxTransformRotated(weights=cfg.MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS)
        return {**super().from_config(cfg, input_shape), "box2box_transform": transform}


@ROI_HEADS_REGISTRY.register()
class RROIHeads(StandardROIHeads, native.RROIHeads):
    """`detectory.modeling.roi_heads.RROIHeads` that can also be built from a config."""

    __init__ = configurable(native.RROIHeads.__init__)

    @classmethod
    def _init_box_head(cls, cfg: CfgNode, input_shape: Shapes) -> dict[str, Any]:
        pooler, shape = _pooler_and_shape(cfg, cfg.MODEL.ROI_BOX_HEAD, input_shape)
        if pooler is None or pooler.pooler_type != "ROIAlignRotated":
            raise ValueError(
                f"RROIHeads: MODEL.ROI_BOX_HEAD.POOLER_TYPE must be 'ROIAlignRotated', "
                f"got {cfg.MODEL.ROI_BOX_HEAD.POOLER_TYPE!r}"
            )
        head = build_box_head(cfg, shape)
        return {
            "box_in_features": cfg.MODEL.ROI_HEADS.IN_FEATURES,
            "box_pooler": pooler,
            "box_head": head,
            "box_predictor": RotatedFastRCNNOutputLayers(cfg, head.output_shape),
        }
