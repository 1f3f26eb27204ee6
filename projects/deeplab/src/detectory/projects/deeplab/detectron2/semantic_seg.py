"""Heads of DeepLabV3 and DeepLabV3+ that are built from a config."""

from collections.abc import Mapping, Sequence
from typing import Any

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling.meta_arch.semantic_seg import SEM_SEG_HEADS_REGISTRY
from detectory.projects import deeplab as native

__all__ = ["DeepLabV3Head", "DeepLabV3PlusHead"]


@SEM_SEG_HEADS_REGISTRY.register()
class DeepLabV3Head(native.DeepLabV3Head):
    """`detectory.projects.deeplab.DeepLabV3Head` that can also be built from a config."""

    __init__ = configurable(native.DeepLabV3Head.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: Mapping[str, ShapeSpec]) -> dict[str, Any]:
        """Read the arguments from `MODEL.SEM_SEG_HEAD`."""
        return _shared_arguments(cfg, input_shape) | {"aspp_channels": cfg.MODEL.SEM_SEG_HEAD.ASPP_CHANNELS}


@SEM_SEG_HEADS_REGISTRY.register()
class DeepLabV3PlusHead(native.DeepLabV3PlusHead):
    """`detectory.projects.deeplab.DeepLabV3PlusHead` that can also be built from a config."""

    __init__ = configurable(native.DeepLabV3PlusHead.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: Mapping[str, ShapeSpec]) -> dict[str, Any]:
        """Read the arguments from `MODEL.SEM_SEG_HEAD`."""
        settings = cfg.MODEL.SEM_SEG_HEAD
        refined = [settings.CONVS_DIM] * (len(settings.IN_FEATURES) - 1)
        return _shared_arguments(cfg, input_shape) | {
            "project_channels": settings.PROJECT_CHANNELS,
            "decoder_channels": [*refined, settings.ASPP_CHANNELS],
        }


def train_size(cfg: CfgNode) -> Sequence[int] | None:
    """Return the size of the training crops, or None if training images are not cropped.

    Raises:
        ValueError: If the crop is relative to the image.
    """
    if not cfg.INPUT.CROP.ENABLED:
        return None
    if cfg.INPUT.CROP.TYPE != "absolute":
        raise ValueError(f"INPUT.CROP.TYPE must be 'absolute' for DeepLab, got {cfg.INPUT.CROP.TYPE!r}")
    return cfg.INPUT.CROP.SIZE


def _shared_arguments(cfg: CfgNode, input_shape: Mapping[str, ShapeSpec]) -> dict[str, Any]:
    settings = cfg.MODEL.SEM_SEG_HEAD
    return {
        "input_shape": {name: input_shape[name] for name in settings.IN_FEATURES},
        "aspp_dilations": settings.ASPP_DILATIONS,
        "aspp_dropout": settings.ASPP_DROPOUT,
        "num_classes": settings.NUM_CLASSES,
        "common_stride": settings.COMMON_STRIDE,
        "norm": settings.NORM,
        "train_size": train_size(cfg),
        "loss_weight": settings.LOSS_WEIGHT,
        "loss_type": settings.LOSS_TYPE,
        "ignore_value": settings.IGNORE_VALUE,
        "use_depthwise_separable_conv": settings.USE_DEPTHWISE_SEPARABLE_CONV,
    }
