"""Cascade R-CNN's ROI heads."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.modeling.matcher import Matcher
from detectory.compat.detectron2.modeling.poolers import ROIPooler
from detectory.compat.detectron2.modeling.roi_heads.box_head import build_box_head
from detectory.compat.detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputLayers, fast_rcnn_inference
from detectory.compat.detectron2.modeling.roi_heads.roi_heads import (
    ROI_HEADS_REGISTRY,
    Shapes,
    StandardROIHeads,
    _pooler_and_shape,
)
from detectory.modeling import roi_heads as native
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.roi_heads.cascade_rcnn import _ScaleGradient
from detectory.structures import Instances

__all__ = ["CascadeROIHeads", "ROIPooler", "_ScaleGradient", "fast_rcnn_inference"]


@ROI_HEADS_REGISTRY.register()
class CascadeROIHeads(StandardROIHeads, native.CascadeROIHeads):
    """`detectory.modeling.roi_heads.CascadeROIHeads` that can also be built from a config."""

    __init__ = configurable(native.CascadeROIHeads.__init__)

    def _proposals_from_boxes(self, boxes: Sequence[Tensor], image_sizes: Sequence[tuple[int, int]]) -> list[Instances]:
        return self._create_proposals_from_boxes(boxes, image_sizes)

    def _create_proposals_from_boxes(
        self, boxes: Sequence[Tensor], image_sizes: Sequence[tuple[int, int]]
    ) -> list[Instances]:
        """Convert the boxes predicted by a stage, `(R, 4)` per image, to the proposals of the next stage."""
        return super()._proposals_from_boxes(boxes, image_sizes)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: Shapes) -> dict[str, Any]:  # type: ignore[override]
        """Read the arguments of `StandardROIHeads`, with one matcher per stage."""
        described = super().from_config(cfg, input_shape)
        del described["proposal_matcher"]
        return described

    @classmethod
    def _init_box_head(cls, cfg: CfgNode, input_shape: Shapes) -> dict[str, Any]:
        cascade = cfg.MODEL.ROI_BOX_CASCADE_HEAD
        if not cfg.MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG:
            raise ValueError("CascadeROIHeads: MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG must be True")
        if cascade.IOUS[0] != cfg.MODEL.ROI_HEADS.IOU_THRESHOLDS[0]:
            raise ValueError(
                "CascadeROIHeads: the first of MODEL.ROI_BOX_CASCADE_HEAD.IOUS must equal "
                f"MODEL.ROI_HEADS.IOU_THRESHOLDS, got {cascade.IOUS[0]} and {cfg.MODEL.ROI_HEADS.IOU_THRESHOLDS[0]}"
            )
        pooler, shape = _pooler_and_shape(cfg, cfg.MODEL.ROI_BOX_HEAD, input_shape)
        heads = [build_box_head(cfg, shape) for _ in cascade.IOUS]
        return {
            "box_in_features": cfg.MODEL.ROI_HEADS.IN_FEATURES,
            "box_pooler": pooler,
            "box_heads": heads,
            "box_predictors": [
                FastRCNNOutputLayers(cfg, head.output_shape, box2box_transform=Box2BoxTransform(weights=weights))
                for head, weights in zip(heads, cascade.BBOX_REG_WEIGHTS, strict=True)
            ],
            "proposal_matchers": [
                Matcher([threshold], [0, 1], allow_low_quality_matches=False) for threshold in cascade.IOUS
            ],
        }
