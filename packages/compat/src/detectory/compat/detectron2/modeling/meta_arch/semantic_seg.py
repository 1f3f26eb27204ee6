"""Semantic segmentation models and heads."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling.backbone.build import build_backbone
from detectory.compat.detectron2.modeling.meta_arch.build import META_ARCH_REGISTRY
from detectory.compat.detectron2.modeling.postprocessing import sem_seg_postprocess
from detectory.compat.detectron2.utils.registry import Registry
from detectory.modeling import meta_arch as native

__all__ = [
    "SEM_SEG_HEADS_REGISTRY",
    "SemSegFPNHead",
    "SemanticSegmentor",
    "build_backbone",
    "build_sem_seg_head",
    "sem_seg_postprocess",
]

SEM_SEG_HEADS_REGISTRY = Registry("SEM_SEG_HEADS")


def build_sem_seg_head(cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> nn.Module:
    """Build the head named by `MODEL.SEM_SEG_HEAD.NAME` for the backbone's feature maps."""
    return SEM_SEG_HEADS_REGISTRY.get(cfg.MODEL.SEM_SEG_HEAD.NAME)(cfg, input_shape)


@META_ARCH_REGISTRY.register()
class SemanticSegmentor(native.SemanticSegmentor):
    """`detectory.modeling.meta_arch.SemanticSegmentor` that can also be built from a config."""

    __init__ = configurable(native.SemanticSegmentor.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Build the parts named by the config."""
        backbone = build_backbone(cfg)
        return {
            "backbone": backbone,
            "sem_seg_head": build_sem_seg_head(cfg, backbone.output_shape()),
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
        }


@SEM_SEG_HEADS_REGISTRY.register()
class SemSegFPNHead(native.SemSegFPNHead):
    """`detectory.modeling.meta_arch.SemSegFPNHead` that can also be built from a config.

    Attributes:
        scale_heads: The layers of every level, in the order of `in_features`.
    """

    @configurable
    def __init__(
        self,
        input_shape: Mapping[str, ShapeSpec],
        *,
        num_classes: int,
        conv_dims: int,
        common_stride: int,
        loss_weight: float = 1.0,
        norm: Any = None,
        ignore_value: int = -1,
    ) -> None:
        super().__init__(
            input_shape,
            num_classes=num_classes,
            conv_dims=conv_dims,
            common_stride=common_stride,
            loss_weight=loss_weight,
            norm=norm,
            ignore_value=ignore_value,
        )
        # A plain list: the layers are already registered under their names.
        self.scale_heads = [getattr(self, name) for name in self.in_features]

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:
        """Read the arguments from `MODEL.SEM_SEG_HEAD`."""
        settings = cfg.MODEL.SEM_SEG_HEAD
        return {
            "input_shape": {name: input_shape[name] for name in settings.IN_FEATURES},
            "ignore_value": settings.IGNORE_VALUE,
            "num_classes": settings.NUM_CLASSES,
            "conv_dims": settings.CONVS_DIM,
            "common_stride": settings.COMMON_STRIDE,
            "norm": settings.NORM,
            "loss_weight": settings.LOSS_WEIGHT,
        }
