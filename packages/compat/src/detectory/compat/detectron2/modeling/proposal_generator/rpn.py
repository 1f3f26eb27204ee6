"""Region proposal network and heads."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling.anchor_generator import build_anchor_generator
from detectory.compat.detectron2.modeling.box_regression import _dense_box_regression_loss
from detectory.compat.detectron2.modeling.matcher import Matcher
from detectory.compat.detectron2.modeling.proposal_generator.build import PROPOSAL_GENERATOR_REGISTRY
from detectory.compat.detectron2.modeling.proposal_generator.proposal_utils import find_top_rpn_proposals
from detectory.compat.detectron2.modeling.sampling import subsample_labels
from detectory.compat.detectron2.modeling.scriptable import ScriptableRPN
from detectory.compat.detectron2.utils.registry import Registry
from detectory.modeling import proposal_generator as native
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.structures import Instances

__all__ = [
    "PROPOSAL_GENERATOR_REGISTRY",
    "RPN",
    "RPN_HEAD_REGISTRY",
    "Box2BoxTransform",
    "Matcher",
    "StandardRPNHead",
    "_dense_box_regression_loss",
    "build_anchor_generator",
    "build_rpn_head",
    "find_top_rpn_proposals",
    "subsample_labels",
]

RPN_HEAD_REGISTRY = Registry("RPN_HEAD")


def build_rpn_head(cfg: CfgNode, input_shape: list[ShapeSpec]) -> nn.Module:
    """Build the head named by `MODEL.RPN.HEAD_NAME` for feature maps of these shapes."""
    return RPN_HEAD_REGISTRY.get(cfg.MODEL.RPN.HEAD_NAME)(cfg, input_shape)


@RPN_HEAD_REGISTRY.register()
class StandardRPNHead(native.StandardRPNHead):
    """`detectory.modeling.proposal_generator.StandardRPNHead` that can also be built from a config."""

    __init__ = configurable(native.StandardRPNHead.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: list[ShapeSpec]) -> dict[str, Any]:
        """Return the arguments for feature maps of these shapes.

        Raises:
            ValueError: If the levels differ in channels or in anchors per cell.
        """
        channels = {shape.channels for shape in input_shape}
        generator = build_anchor_generator(cfg, input_shape)
        anchors = set(generator.num_anchors)
        if len(channels) != 1 or len(anchors) != 1:
            raise ValueError(
                "StandardRPNHead: all levels must have the same channels and number of anchors, "
                f"got channels {sorted(channels)} and anchors {sorted(anchors)}"
            )
        return {
            "in_channels": channels.pop(),
            "num_anchors": anchors.pop(),
            "box_dim": generator.box_dim,
            "conv_dims": cfg.MODEL.RPN.CONV_DIMS,
        }


@PROPOSAL_GENERATOR_REGISTRY.register()
class RPN(native.RPN):
    """`detectory.modeling.proposal_generator.RPN` that can also be built from a config."""

    __init__ = configurable(native.RPN.__init__)
    _find_top_proposals = staticmethod(find_top_rpn_proposals)

    def __prepare_scriptable__(self) -> nn.Module:
        """Return the scriptable equivalent of this class; subclasses are scripted as they are."""
        return ScriptableRPN(self) if type(self) is RPN else self

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:
        """Read the arguments from `MODEL.RPN` for the backbone's feature maps."""
        settings = cfg.MODEL.RPN
        shapes = [input_shape[name] for name in settings.IN_FEATURES]
        return {
            "in_features": settings.IN_FEATURES,
            "min_box_size": cfg.MODEL.PROPOSAL_GENERATOR.MIN_SIZE,
            "nms_thresh": settings.NMS_THRESH,
            "batch_size_per_image": settings.BATCH_SIZE_PER_IMAGE,
            "positive_fraction": settings.POSITIVE_FRACTION,
            "loss_weight": {
                "loss_rpn_cls": settings.LOSS_WEIGHT,
                "loss_rpn_loc": settings.BBOX_REG_LOSS_WEIGHT * settings.LOSS_WEIGHT,
            },
            "anchor_boundary_thresh": settings.BOUNDARY_THRESH,
            "box2box_transform": Box2BoxTransform(weights=settings.BBOX_REG_WEIGHTS),
            "box_reg_loss_type": settings.BBOX_REG_LOSS_TYPE,
            "smooth_l1_beta": settings.SMOOTH_L1_BETA,
            "pre_nms_topk": (settings.PRE_NMS_TOPK_TRAIN, settings.PRE_NMS_TOPK_TEST),
            "post_nms_topk": (settings.POST_NMS_TOPK_TRAIN, settings.POST_NMS_TOPK_TEST),
            "anchor_generator": build_anchor_generator(cfg, shapes),
            "anchor_matcher": Matcher(settings.IOU_THRESHOLDS, settings.IOU_LABELS, allow_low_quality_matches=True),
            "head": build_rpn_head(cfg, shapes),
        }

    @torch.no_grad()
    def predict_proposals(
        self,
        anchors: Sequence[Any],
        pred_objectness_logits: Sequence[Tensor],
        pred_anchor_deltas: Sequence[Tensor],
        image_sizes: Sequence[tuple[int, int]],
    ) -> list[Instances]:
        """Decode the anchors and select proposals by NMS; see `detectory.modeling.proposal_generator.RPN`."""
        if type(self)._decode_proposals is RPN._decode_proposals:
            return super().predict_proposals(anchors, pred_objectness_logits, pred_anchor_deltas, image_sizes)
        return self._find_top_proposals(
            self._decode_proposals(list(anchors), list(pred_anchor_deltas)),
            list(pred_objectness_logits),
            list(image_sizes),
            self.nms_thresh,
            self.pre_nms_topk[self.training],
            self.post_nms_topk[self.training],
            self.min_box_size,
            self.training,
        )

    def _decode_proposals(self, anchors: list[Any], pred_anchor_deltas: list[Tensor]) -> list[Tensor]:
        """Return the boxes of all anchors, `(B, H * W * A, D)` per level.

        An override is called by `predict_proposals`; otherwise only the best anchors are decoded.
        """
        return [
            torch.stack([self.box2box_transform.apply_deltas(image, level.tensor) for image in deltas])
            for level, deltas in zip(anchors, pred_anchor_deltas, strict=True)
        ]
