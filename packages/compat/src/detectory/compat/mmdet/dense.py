"""FCOS, ATSS and GFL with a ResNet-FPN."""

from typing import Any

import torch
from omegaconf import DictConfig, open_dict
from torch import Tensor

from detectory import zoo
from detectory.core.config import LazyCall
from detectory.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.modeling.box_regression import Box2BoxTransform, Box2BoxTransformLinear
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.meta_arch import ATSS, GFL, FCOSHead, GFLHead

from .families import BuildOptions, Family, State
from .resnet_fpn import convert_with_fpn, set_backbone, set_top_block

_STRIDES = (8, 16, 32, 64, 128)

#: Side of the anchors of ATSS and GFL, in strides.
_ANCHOR_SCALE = 8


def _rules(prefix: str) -> list[tuple[str, str]]:
    """Return the rules of a head with the output layers `{prefix}_cls`, `{prefix}_reg` and `{prefix}_centerness`."""
    return [
        *[
            (rf"bbox_head\.{branch}_convs\.{i}\.{layer}\.(\w+)", rf"head.{ours}_subnet.{3 * i + offset}.\1")
            for branch, ours in (("cls", "cls"), ("reg", "bbox"))
            for i in range(4)
            for layer, offset in (("conv", 0), ("gn", 1))
        ],
        *[
            (pattern.format(name), rf"head.{ours}.\1")
            for pattern in (rf"bbox_head\.{prefix}_{{}}\.(\w+)", r"bbox_head\.conv_{}\.(\w+)")
            for name, ours in (("cls", "cls_score"), ("reg", "bbox_pred"), ("centerness", "ctrness"))
        ],
        (r"bbox_head\.scales\.(\d)\.scale", r"head.scales.\1"),
        (r"bbox_head\.integral\.project", "head.project"),
    ]


def _convert(prefix: str, state: State) -> dict[str, Tensor]:
    converted = convert_with_fpn(state, _rules(prefix))
    converted.pop("head.project", None)  # the constants 0, 1, …, reg_max
    for branch in ("cls", "bbox"):
        for i in range(0, 12, 3):
            # MMDetection's convolutions have no bias before a norm.
            weight = converted.get(f"head.{branch}_subnet.{i}.weight")
            if weight is not None:
                converted.setdefault(f"head.{branch}_subnet.{i}.bias", torch.zeros(len(weight)))
    return converted


def _head(head_class: type, converted: State, **settings: Any) -> DictConfig:
    return LazyCall(head_class)(
        input_shape=[ShapeSpec(channels=256) for _ in _STRIDES],
        num_classes=len(converted["head.cls_score.weight"]),
        conv_dims=[256, 256, 256, 256],
        norm="GN",
        **settings,
    )


def _fcos_config(converted: State, options: BuildOptions) -> DictConfig:
    config = zoo.get_config("COCO-Detection/fcos_R_50_FPN_1x").model
    # The improved variant predicts distances in strides; its convolutions have biases although norms follow them.
    improved = bool(converted["head.cls_subnet.0.bias"].any())
    with open_dict(config):
        config.head = _head(
            FCOSHead,
            converted,
            centerness_on="regression" if improved else "classification",
            level_scales=True,
            exponential=not improved,
        )
        config.num_classes = len(converted["head.cls_score.weight"])
        config.box2box_transform = LazyCall(Box2BoxTransformLinear)(normalize_by_size=improved)
        config.test_score_thresh, config.test_nms_thresh = 0.05, 0.6 if improved else 0.5
        config.score_rule = "product"
        config.clip_before_nms = True
        config.drop_empty_boxes = improved  # distances of 0 are frequent
    return _complete(config, converted, options, activation=True, detectron_mean=not improved)


def _atss_config(converted: State, options: BuildOptions) -> DictConfig:
    config = LazyCall(ATSS)(
        head=_head(FCOSHead, converted, level_scales=True),
        box2box_transform=LazyCall(Box2BoxTransform)(weights=[10.0, 10.0, 5.0, 5.0]),
    )
    return _complete(_with_square_anchors(config, converted), converted, options)


def _gfl_config(converted: State, options: BuildOptions) -> DictConfig:
    reg_max = len(converted["head.bbox_pred.weight"]) // 4 - 1
    config = LazyCall(GFL)(head=_head(GFLHead, converted, reg_max=reg_max))
    return _complete(_with_square_anchors(config, converted), converted, options)


def _with_square_anchors(config: DictConfig, converted: State) -> DictConfig:
    with open_dict(config):
        base = zoo.get_config("COCO-Detection/retinanet_R_50_FPN_1x").model
        config.backbone, config.head_in_features = base.backbone, base.head_in_features
        config.num_classes = len(converted["head.cls_score.weight"])
        config.anchor_generator = LazyCall(DefaultAnchorGenerator)(
            sizes=[[_ANCHOR_SCALE * stride] for stride in _STRIDES],
            aspect_ratios=[1.0],
            strides=list(_STRIDES),
            offset=0.0,
        )
    return config


def _complete(
    config: DictConfig,
    converted: State,
    options: BuildOptions,
    activation: bool = False,
    detectron_mean: bool = False,
) -> DictConfig:
    set_top_block(config, converted, activation)
    set_backbone(config, converted, options, detectron_mean)
    return config


def _convert_fcos(state: State) -> dict[str, Tensor]:
    return _convert("fcos", state)


def _convert_atss(state: State) -> dict[str, Tensor]:
    return _convert("atss", state)


def _convert_gfl(state: State) -> dict[str, Tensor]:
    return _convert("gfl", state)


FCOS_FAMILY = Family("FCOS", "bbox_head.conv_centerness.weight", _convert_fcos, _fcos_config)
ATSS_FAMILY = Family("ATSS", "bbox_head.atss_cls.weight", _convert_atss, _atss_config)
GFL_FAMILY = Family("GFL", "bbox_head.gfl_cls.weight", _convert_gfl, _gfl_config)
