"""Configs of torchvision's RetinaNet and FCOS."""

from typing import Any

from omegaconf import DictConfig, open_dict
from torch import nn

from detectory import zoo
from detectory.core.config import LazyCall

from .anchors import TorchvisionAnchorGenerator
from .backbones import set_pixels, set_resnet

_STRIDES = [8, 16, 32, 64, 128]


def retinanet_config(source: Any) -> DictConfig:
    """Return the config of a model equivalent to a `RetinaNet` of torchvision."""
    config = zoo.get_config("COCO-Detection/retinanet_R_50_FPN_1x").model
    with open_dict(config):
        _set_common(config, source)
        config.anchor_generator = _anchors(source)
        config.head.num_anchors = source.head.classification_head.num_anchors
        tower = source.head.classification_head.conv
        if any(isinstance(layer, nn.GroupNorm) for layer in tower.modules()):
            config.head.norm, config.head.conv_bias = "GN", False
    return config


def fcos_config(source: Any) -> DictConfig:
    """Return the config of a model equivalent to a `FCOS` of torchvision."""
    config = zoo.get_config("COCO-Detection/fcos_R_50_FPN_1x").model
    with open_dict(config):
        _set_common(config, source)
        config.anchor_generator = _anchors(source)
    return config


def _anchors(source: Any) -> DictConfig:
    generator = source.anchor_generator
    return LazyCall(TorchvisionAnchorGenerator)(
        sizes=[list(map(float, sizes)) for sizes in generator.sizes],
        aspect_ratios=[list(map(float, ratios)) for ratios in generator.aspect_ratios],
        strides=_STRIDES,
        offset=0.0,
    )


def _set_common(config: DictConfig, source: Any) -> None:
    set_pixels(config, source)
    set_resnet(config, source)
    config.num_classes = source.head.classification_head.num_classes
    block = source.backbone.fpn.extra_blocks
    config.backbone.top_block.in_channels = block.p6.in_channels
    config.backbone.top_block.in_feature = "p5" if block.use_P5 else "res5"
    config.test_score_thresh = source.score_thresh
    config.test_nms_thresh = source.nms_thresh
    config.test_topk_candidates = source.topk_candidates
    config.max_detections_per_image = source.detections_per_img
    config.clip_before_nms = True
