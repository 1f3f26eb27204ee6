"""PointRend's semantic head, built from a config."""

from collections.abc import Mapping
from typing import Any

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling.meta_arch.semantic_seg import SEM_SEG_HEADS_REGISTRY
from detectory.projects import point_rend as native

from .mask_head import channels_of
from .point_head import build_point_head

__all__ = ["PointRendSemSegHead"]


@SEM_SEG_HEADS_REGISTRY.register()
class PointRendSemSegHead(native.PointRendSemSegHead):
    """`detectory.projects.point_rend.PointRendSemSegHead` that can also be built from a config."""

    __init__ = configurable(native.PointRendSemSegHead.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: Mapping[str, ShapeSpec]) -> dict[str, Any]:
        """Build the coarse head named by `MODEL.POINT_HEAD.COARSE_SEM_SEG_HEAD_NAME` and the point head."""
        points = cfg.MODEL.POINT_HEAD
        coarse = SEM_SEG_HEADS_REGISTRY.get(points.COARSE_SEM_SEG_HEAD_NAME)
        return {
            "coarse_sem_seg_head": coarse(cfg, input_shape),
            "point_head": build_point_head(cfg, ShapeSpec(channels=channels_of(input_shape, points.IN_FEATURES))),
            "in_features": points.IN_FEATURES,
            "train_num_points": points.TRAIN_NUM_POINTS,
            "oversample_ratio": points.OVERSAMPLE_RATIO,
            "importance_sample_ratio": points.IMPORTANCE_SAMPLE_RATIO,
            "subdivision_steps": points.SUBDIVISION_STEPS,
            "subdivision_num_points": points.SUBDIVISION_NUM_POINTS,
        }
