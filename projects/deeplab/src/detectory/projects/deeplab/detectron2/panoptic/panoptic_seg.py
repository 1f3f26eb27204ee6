"""Panoptic-DeepLab's model and heads, built from a config."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.data import MetadataCatalog
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling import (
    META_ARCH_REGISTRY,
    SEM_SEG_HEADS_REGISTRY,
    build_backbone,
    build_sem_seg_head,
)
from detectory.compat.detectron2.utils.registry import Registry
from detectory.projects.deeplab import panoptic as native
from detectory.projects.deeplab.detectron2.semantic_seg import train_size

__all__ = [
    "INS_EMBED_BRANCHES_REGISTRY",
    "PanopticDeepLab",
    "PanopticDeepLabInsEmbedHead",
    "PanopticDeepLabSemSegHead",
    "build_ins_embed_branch",
]

INS_EMBED_BRANCHES_REGISTRY = Registry("INS_EMBED_BRANCHES")


def build_ins_embed_branch(cfg: CfgNode, input_shape: Mapping[str, ShapeSpec]) -> nn.Module:
    """Build the head named by `MODEL.INS_EMBED_HEAD.NAME` for the backbone's feature maps."""
    return INS_EMBED_BRANCHES_REGISTRY.get(cfg.MODEL.INS_EMBED_HEAD.NAME)(cfg, input_shape)


@META_ARCH_REGISTRY.register()
class PanopticDeepLab(native.PanopticDeepLab):
    """`detectory.projects.deeplab.panoptic.PanopticDeepLab` that can also be built from a config."""

    __init__ = configurable(native.PanopticDeepLab.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Build the parts named by the config; the metadata of the first training dataset has the thing classes.

        Raises:
            ValueError: If the metadata of the dataset has no thing classes.
        """
        backbone = build_backbone(cfg)
        name = cfg.DATASETS.TRAIN[0]
        metadata = MetadataCatalog.get(name)
        things = metadata.get("thing_dataset_id_to_contiguous_id")
        if things is None:
            raise ValueError(
                f"PanopticDeepLab: the metadata of dataset '{name}' has no thing_dataset_id_to_contiguous_id. "
                "Register the dataset before the model is built"
            )
        settings = cfg.MODEL.PANOPTIC_DEEPLAB
        return {
            "backbone": backbone,
            "sem_seg_head": build_sem_seg_head(cfg, backbone.output_shape()),
            "ins_embed_head": build_ins_embed_branch(cfg, backbone.output_shape()),
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "thing_ids": list(things.values()),
            "label_divisor": metadata.get("label_divisor", 1000),
            "stuff_area": settings.STUFF_AREA,
            "center_threshold": settings.CENTER_THRESHOLD,
            "nms_kernel": settings.NMS_KERNEL,
            "top_k_instance": settings.TOP_K_INSTANCE,
            "predict_instances": settings.PREDICT_INSTANCES and not settings.BENCHMARK_NETWORK_SPEED,
            "size_divisibility": settings.SIZE_DIVISIBILITY,
        }


@SEM_SEG_HEADS_REGISTRY.register()
class PanopticDeepLabSemSegHead(native.PanopticDeepLabSemSegHead):
    """`detectory.projects.deeplab.panoptic.PanopticDeepLabSemSegHead` that can also be built from a config."""

    __init__ = configurable(native.PanopticDeepLabSemSegHead.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: Mapping[str, ShapeSpec]) -> dict[str, Any]:
        """Read the arguments from `MODEL.SEM_SEG_HEAD`."""
        settings = cfg.MODEL.SEM_SEG_HEAD
        return _decoder(cfg, settings, input_shape) | {
            "use_depthwise_separable_conv": settings.USE_DEPTHWISE_SEPARABLE_CONV,
            "num_classes": settings.NUM_CLASSES,
            "ignore_value": settings.IGNORE_VALUE,
            "loss_weight": settings.LOSS_WEIGHT,
            "loss_type": settings.LOSS_TYPE,
            "loss_top_k": settings.LOSS_TOP_K,
        }


@INS_EMBED_BRANCHES_REGISTRY.register()
class PanopticDeepLabInsEmbedHead(native.PanopticDeepLabInsEmbedHead):
    """`detectory.projects.deeplab.panoptic.PanopticDeepLabInsEmbedHead` that can also be built from a config."""

    __init__ = configurable(native.PanopticDeepLabInsEmbedHead.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: Mapping[str, ShapeSpec]) -> dict[str, Any]:
        """Read the arguments from `MODEL.INS_EMBED_HEAD`."""
        settings = cfg.MODEL.INS_EMBED_HEAD
        return _decoder(cfg, settings, input_shape) | {
            "use_depthwise_separable_conv": cfg.MODEL.SEM_SEG_HEAD.USE_DEPTHWISE_SEPARABLE_CONV,
            "center_loss_weight": settings.CENTER_LOSS_WEIGHT,
            "offset_loss_weight": settings.OFFSET_LOSS_WEIGHT,
        }


def _decoder(cfg: CfgNode, settings: CfgNode, input_shape: Mapping[str, ShapeSpec]) -> dict[str, Any]:
    """Return the arguments of both heads."""
    refined = [settings.CONVS_DIM] * (len(settings.IN_FEATURES) - 1)
    return {
        "input_shape": {name: input_shape[name] for name in settings.IN_FEATURES},
        "project_channels": settings.PROJECT_CHANNELS,
        "aspp_dilations": settings.ASPP_DILATIONS,
        "aspp_dropout": settings.ASPP_DROPOUT,
        "decoder_channels": [*refined, settings.ASPP_CHANNELS],
        "head_channels": settings.HEAD_CHANNELS,
        "common_stride": settings.COMMON_STRIDE,
        "norm": settings.NORM,
        "train_size": train_size(cfg),
    }
