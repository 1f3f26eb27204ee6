"""SSD with VGG-16."""

import dataclasses
import re

import torch
from omegaconf import DictConfig
from torch import Tensor

from detectory.compat._pytorch_resnet import renamed
from detectory.core.config import LazyCall
from detectory.modeling.backbone import SSD300_LEVELS, SSD512_LEVELS, SSDVGG
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.matcher import Matcher
from detectory.modeling.meta_arch import SSD, SSDAnchorGenerator, SSDHead

from .families import RGB, BuildOptions, Family, State

#: Strides, sizes and aspect ratios of the configs for COCO, by image size: SSD 300 × 300 and 512 × 512.
_STRIDES = {300: (8, 16, 32, 64, 100, 300), 512: (8, 16, 32, 64, 128, 256, 512)}
_ASPECT_RATIOS = {
    300: ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)),
    512: ((2,), (2, 3), (2, 3), (2, 3), (2, 3), (2,), (2,)),
}
_SIZE_PERCENTAGES = {300: (7, 15, 33, 51, 69, 87, 105), 512: (4, 10, 26, 42, 58, 74, 90, 106)}

_DELTA_STDS = (0.1, 0.1, 0.2, 0.2)

# MMDetection 1.x keeps all layers in the backbone, and does not number the single convolutions of the heads.
_RULES = [
    (r"backbone\.features\.(\d+)\.(\w+)", r"backbone.features.\1.\2"),
    (r"(?:neck|backbone)\.l2_norm\.weight", r"backbone.l2_norm.weight"),
    (r"neck\.extra_layers\.(\d)\.([01])\.conv\.(\w+)", r"backbone.extra_layers.\1.\2.\3"),
    (r"bbox_head\.cls_convs\.(\d)\.(?:0\.)?(weight|bias)", r"head.cls_score.\1.\2"),
    (r"bbox_head\.reg_convs\.(\d)\.(?:0\.)?(weight|bias)", r"head.bbox_pred.\1.\2"),
]
_EXTRA_1X = re.compile(r"backbone\.extra\.(\d+)\.(\w+)")


def is_version_1(state: State) -> bool:
    """Return whether an SSD was saved by MMDetection 1.x, in which class 0 is the background."""
    return "backbone.l2_norm.weight" in state


def _convert(state: State) -> dict[str, Tensor]:
    version_1 = is_version_1(state)
    kept = {}
    for name, tensor in state.items():
        if match := _EXTRA_1X.fullmatch(name):
            layer = int(match[1])
            name = f"neck.extra_layers.{layer // 2}.{layer % 2}.conv.{match[2]}"
        if not name.startswith("data_preprocessor."):
            kept[name] = tensor
    converted = renamed(kept, _RULES, "convert_state_dict")
    if version_1:
        for name, tensor in converted.items():
            if name.startswith("head.cls_score."):
                converted[name] = _background_last(tensor, _num_anchors(converted, name))
    return converted


def _num_anchors(converted: State, name: str) -> int:
    """Return the number of anchors per cell of the level that `head.cls_score.LEVEL.weight` or `.bias` belongs to."""
    return converted[name.replace("cls_score", "bbox_pred")].shape[0] // 4


def _background_last(tensor: Tensor, num_anchors: int) -> Tensor:
    """Move the background, class 0 of every anchor, behind the other classes."""
    per_anchor = tensor.reshape(num_anchors, -1, *tensor.shape[1:])
    return torch.cat((per_anchor[:, 1:], per_anchor[:, :1]), dim=1).reshape(tensor.shape)


def _config(converted: State, options: BuildOptions) -> DictConfig:
    del options  # one style, and the same pixel statistics in all versions
    levels = sum(name.startswith("head.bbox_pred.") and name.endswith(".weight") for name in converted)
    size = 300 if levels == len(_STRIDES[300]) else 512
    extra_levels = SSD300_LEVELS if size == 300 else SSD512_LEVELS
    anchors = [_num_anchors(converted, f"head.cls_score.{i}.weight") for i in range(levels)]
    sides = [int(size * percentage / 100) for percentage in _SIZE_PERCENTAGES[size]]
    return LazyCall(SSD)(
        backbone=LazyCall(SSDVGG)(extra_levels=[dataclasses.astuple(level) for level in extra_levels]),
        head=LazyCall(SSDHead)(
            in_channels=[512, 1024, *(level.channels for level in extra_levels)],
            num_anchors=anchors,
            num_classes="${..num_classes}",
        ),
        anchor_generator=LazyCall(SSDAnchorGenerator)(
            min_sizes=sides[:-1],
            max_sizes=sides[1:],
            aspect_ratios=[list(ratios) for ratios in _ASPECT_RATIOS[size]],
            strides=list(_STRIDES[size]),
        ),
        box2box_transform=LazyCall(Box2BoxTransform)(weights=[1 / x for x in _DELTA_STDS]),
        anchor_matcher=LazyCall(Matcher)(thresholds=[0.5], labels=[0, 1], allow_low_quality_matches=True),
        num_classes=converted["head.cls_score.0.weight"].shape[0] // anchors[0] - 1,
        pixel_mean=RGB["pixel_mean"],
        pixel_std=[1.0, 1.0, 1.0],
        input_format="RGB",
    )


def _image_size(config: DictConfig) -> tuple[int, int]:
    strides = tuple(config.anchor_generator.strides)
    side = next(side for side, known in _STRIDES.items() if known == strides)
    return side, side


SSD_VGG = Family("SSD", "backbone.features.31.weight", _convert, _config, _image_size)
