"""RetinaNet."""

from typing import Any

from torch import nn

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling.anchor_generator import build_anchor_generator
from detectory.compat.detectron2.modeling.backbone.build import build_backbone
from detectory.compat.detectron2.modeling.matcher import Matcher
from detectory.compat.detectron2.modeling.meta_arch.build import META_ARCH_REGISTRY
from detectory.compat.detectron2.modeling.meta_arch.dense_detector import DenseDetector, permute_to_N_HWA_K
from detectory.compat.detectron2.modeling.scriptable_dense import ScriptableRetinaNet, ScriptableRetinaNetHead
from detectory.modeling import meta_arch as native
from detectory.modeling.box_regression import Box2BoxTransform

__all__ = [
    "META_ARCH_REGISTRY",
    "DenseDetector",
    "RetinaNet",
    "RetinaNetHead",
    "build_anchor_generator",
    "build_backbone",
    "permute_to_N_HWA_K",
]


class RetinaNetHead(native.RetinaNetHead):
    """`detectory.modeling.meta_arch.RetinaNetHead` that can also be built from a config."""

    __init__ = configurable(native.RetinaNetHead.__init__)

    def __prepare_scriptable__(self) -> nn.Module:
        """Return the scriptable equivalent of this class; subclasses are scripted as they are."""
        return ScriptableRetinaNetHead(self) if type(self) is RetinaNetHead else self

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: list[ShapeSpec]) -> dict[str, Any]:
        """Read the arguments from `MODEL.RETINANET`.

        Raises:
            ValueError: If the levels have different numbers of anchors.
        """
        settings = cfg.MODEL.RETINANET
        anchors = set(build_anchor_generator(cfg, input_shape).num_anchors)
        if len(anchors) != 1:
            raise ValueError(f"RetinaNetHead: all levels must have the same number of anchors, got {sorted(anchors)}")
        return {
            "input_shape": input_shape,
            "num_classes": settings.NUM_CLASSES,
            "conv_dims": [input_shape[0].channels] * settings.NUM_CONVS,
            "prior_prob": settings.PRIOR_PROB,
            "norm": settings.NORM,
            "num_anchors": anchors.pop(),
        }


@META_ARCH_REGISTRY.register()
class RetinaNet(DenseDetector, native.RetinaNet):
    """`detectory.modeling.meta_arch.RetinaNet` that can also be built from a config."""

    __init__ = configurable(native.RetinaNet.__init__)

    def __prepare_scriptable__(self) -> nn.Module:
        """Return the scriptable equivalent of this class; subclasses are scripted as they are."""
        return ScriptableRetinaNet(self) if type(self) is RetinaNet else self

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Build the parts named by the config and read `MODEL.RETINANET`."""
        settings = cfg.MODEL.RETINANET
        backbone = build_backbone(cfg)
        shapes = backbone.output_shape()
        levels = [shapes[name] for name in settings.IN_FEATURES]
        return {
            "backbone": backbone,
            "head": RetinaNetHead(cfg, levels),
            "anchor_generator": build_anchor_generator(cfg, levels),
            "box2box_transform": Box2BoxTransform(weights=settings.BBOX_REG_WEIGHTS),
            "anchor_matcher": Matcher(settings.IOU_THRESHOLDS, settings.IOU_LABELS, allow_low_quality_matches=True),
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "num_classes": settings.NUM_CLASSES,
            "head_in_features": settings.IN_FEATURES,
            "focal_loss_alpha": settings.FOCAL_LOSS_ALPHA,
            "focal_loss_gamma": settings.FOCAL_LOSS_GAMMA,
            "smooth_l1_beta": settings.SMOOTH_L1_LOSS_BETA,
            "box_reg_loss_type": settings.BBOX_REG_LOSS_TYPE,
            "test_score_thresh": settings.SCORE_THRESH_TEST,
            "test_topk_candidates": settings.TOPK_CANDIDATES_TEST,
            "test_nms_thresh": settings.NMS_THRESH_TEST,
            "max_detections_per_image": cfg.TEST.DETECTIONS_PER_IMAGE,
            "vis_period": cfg.VIS_PERIOD,
            "input_format": cfg.INPUT.FORMAT,
        }
