"""RTMDet and RTMDet-Ins, from Tiny to X."""

import re
from typing import Any

from omegaconf import DictConfig
from torch import Tensor

from detectory.core.config import LazyCall
from detectory.modeling.rtmdet import RTMDet, RTMDetHead, RTMDetIns, RTMDetInsHead
from detectory.modeling.yolo import CSPPAFPN, CSPNeXt

from .csp_names import backbone_sizes, convert_csp_network, count_blocks
from .families import BuildOptions, Family, State

#: Pixel statistics of all RTMDets.
_PIXELS = {"pixel_mean": [103.53, 116.28, 123.675], "pixel_std": [57.375, 57.12, 58.395], "input_format": "BGR"}

#: RTMDet-Tiny and -S, with at most this number of channels, predict distances; the others predict their logarithms.
_MAX_LINEAR_CHANNELS = 128

_LAST = [
    (r"bbox_head\.rtm_cls\.(\d)\.(\w+)", r"head.levels.\1.cls_score.\2"),
    (r"bbox_head\.rtm_reg\.(\d)\.(\w+)", r"head.levels.\1.bbox_pred.\2"),
]


def _tower_rules(theirs: str, ours: str) -> list[tuple[str, str]]:
    """Return the rules of a tower: the convolutions of the first level are those of all levels."""
    return [
        (rf"bbox_head\.{theirs}_convs\.0\.(\d)\.weight", rf"head.{ours}.convs.\1.weight"),
        (rf"bbox_head\.{theirs}_convs\.(\d)\.(\d)\.norm\.(\w+)", rf"head.{ours}.norms.\1.\2.\3"),
    ]


_BOX_RULES = [*_tower_rules("cls", "cls_tower"), *_tower_rules("reg", "bbox_tower"), *_LAST]
_MASK_RULES = [
    *_tower_rules("cls", "tower"),
    (r"bbox_head\.kernel_convs\.(\d)\.(\d)\.(.+)", r"head.kernel_towers.\1.\2.\3"),
    *_LAST,
    (r"bbox_head\.rtm_kernel\.(\d)\.(\w+)", r"head.levels.\1.predictor.\2"),
    (r"bbox_head\.mask_head\.fusion_conv\.(\w+)", r"head.mask_features.fusion.\1"),
    (r"bbox_head\.mask_head\.stacked_convs\.(\d)\.(.+)", r"head.mask_features.convs.\1.\2"),
    (r"bbox_head\.mask_head\.projection\.(\w+)", r"head.mask_features.projection.\1"),
]
_SHARED = re.compile(r"bbox_head\.(cls|reg)_convs\.[1-9]\.(\d)\.conv\.weight")


def _without_copies(state: State) -> dict[str, Tensor]:
    """Remove the copies of convolutions that all levels share.

    Raises:
        ValueError: If the levels have different convolutions.
    """
    kept = {}
    for name, tensor in state.items():
        if match := _SHARED.fullmatch(name):
            if not tensor.equal(state[f"bbox_head.{match[1]}_convs.0.{match[2]}.conv.weight"]):
                raise ValueError(f"convert_state_dict: '{name}' differs between levels, which RTMDet shares")
            continue
        kept[name] = tensor
    return kept


def _convert_boxes(state: State) -> dict[str, Tensor]:
    return convert_csp_network(_without_copies(state), _BOX_RULES)


def _convert_masks(state: State) -> dict[str, Tensor]:
    # MMDetection's head has one tower for classes and boxes, under two names.
    kept = {name: tensor for name, tensor in _without_copies(state).items() if ".reg_convs." not in name}
    return convert_csp_network(kept, _MASK_RULES)


def _arguments(converted: State, tower: str) -> dict[str, Any]:
    """Return the arguments that RTMDet and RTMDet-Ins have in common."""
    levels = len({name.split(".")[2] for name in converted if name.startswith("head.levels.")})
    depth = sum(re.fullmatch(rf"head\.{tower}\.convs\.\d\.weight", name) is not None for name in converted)
    classes, channels = converted["head.levels.0.cls_score.weight"].shape[:2]
    head = {
        "in_channels": len(converted["backbone.output.0.weight"]),
        "channels": channels,
        "num_classes": "${..num_classes}",
        "strides": [8 * 2**i for i in range(levels)],
        "depth": depth,
    }
    backbone = LazyCall(CSPPAFPN)(
        bottom_up=LazyCall(CSPNeXt)(**backbone_sizes(converted)),
        out_channels=head["in_channels"],
        depth=count_blocks(converted, "backbone.top_down.0"),
        block="cspnext",
        out_kernel_size=3,
        norm_eps=1e-5,
    )
    return {"backbone": backbone, "head": head, "num_classes": classes, "box_limit": "input", **_PIXELS}


def _box_config(converted: State, options: BuildOptions) -> DictConfig:
    arguments = _arguments(converted, "cls_tower")
    head = arguments.pop("head")
    is_exponential = options.head().get("exp_on_reg", head["channels"] > _MAX_LINEAR_CHANNELS)
    distances = "exp" if is_exponential else "none"
    return LazyCall(RTMDet)(head=LazyCall(RTMDetHead)(**head, distances=distances), **arguments)


def _mask_config(converted: State, options: BuildOptions) -> DictConfig:
    del options
    arguments = _arguments(converted, "tower")
    head = arguments.pop("head")
    return LazyCall(RTMDetIns)(
        head=LazyCall(RTMDetInsHead)(**head),
        mask_loss_weight=2.0,
        test_score_thresh=0.05,
        test_topk_candidates=1000,
        test_nms_thresh=0.6,
        max_detections_per_image=100,
        **arguments,
    )


def _edges(config: DictConfig) -> tuple[int, int]:
    side = 640 if len(config.head.strides) == 3 else 1280
    return side, side


_TRAINING: dict[str, Any] = {"edges": _edges, "optimizer": "adamw", "learning_rate": 2.5e-4}
RTMDET_INS_FAMILY = Family("RTMDet-Ins", "bbox_head.rtm_kernel.0.weight", _convert_masks, _mask_config, **_TRAINING)
RTMDET_FAMILY = Family("RTMDet", "bbox_head.rtm_cls.0.weight", _convert_boxes, _box_config, **_TRAINING)
