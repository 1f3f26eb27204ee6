"""YOLOX, from Nano to X."""

from omegaconf import DictConfig
from torch import Tensor

from detectory.core.config import LazyCall
from detectory.modeling.yolo import CSPPAFPN, YOLOX, CSPDarknet, YOLOXHead

from .csp_names import backbone_sizes, convert_csp_network, count_blocks
from .families import BuildOptions, Family, State

_HEAD = r"bbox_head\.multi_level_"
_RULES = [
    (rf"{_HEAD}(cls|reg)_convs\.(\d)\.(\d)\.(.+)", r"head.levels.\2.\1_convs.\3.\4"),
    (rf"{_HEAD}conv_cls\.(\d)\.(\w+)", r"head.levels.\1.cls_score.\2"),
    (rf"{_HEAD}conv_reg\.(\d)\.(\w+)", r"head.levels.\1.bbox_pred.\2"),
    (rf"{_HEAD}conv_obj\.(\d)\.(\w+)", r"head.levels.\1.objectness_logits.\2"),
]

#: YOLOX-Nano and -Tiny, with at most this number of channels, were measured on images of 416 pixels.
_MAX_SMALL_CHANNELS = 96

#: MMDetection returns all detections.
_UNLIMITED = 30_000


def _convert(state: State) -> dict[str, Tensor]:
    return convert_csp_network(state, _RULES)


def _config(converted: State, options: BuildOptions) -> DictConfig:
    del options  # one style, and the same pixel statistics in all versions
    depthwise = "head.levels.0.cls_convs.0.depthwise.weight" in converted
    channels, classes = converted["head.levels.0.cls_score.weight"].shape[1::-1]
    out_channels = len(converted["backbone.output.0.weight"])
    levels = len({name.split(".")[2] for name in converted if name.startswith("head.levels.")})
    depth = len({name.split(".")[4] for name in converted if name.startswith("head.levels.0.cls_convs.")})
    return LazyCall(YOLOX)(
        backbone=LazyCall(CSPPAFPN)(
            bottom_up=LazyCall(CSPDarknet)(**backbone_sizes(converted), depthwise=depthwise),
            out_channels=out_channels,
            depth=count_blocks(converted, "backbone.top_down.0"),
            depthwise=depthwise,
        ),
        head=LazyCall(YOLOXHead)(
            in_channels=[out_channels] * levels,
            channels=channels,
            num_classes="${..num_classes}",
            depth=depth,
            depthwise=depthwise,
        ),
        num_classes=classes,
        max_detections_per_image=_UNLIMITED,
        box_limit="none",
        pixel_mean=[0.0, 0.0, 0.0],
        pixel_std=[1.0, 1.0, 1.0],
        input_format="BGR",
    )


def _edges(config: DictConfig) -> tuple[int, int]:
    side = 416 if config.head.channels <= _MAX_SMALL_CHANNELS else 640
    return side, side


YOLOX_FAMILY = Family(
    "YOLOX", "bbox_head.multi_level_conv_obj.0.weight", _convert, _config, edges=_edges, learning_rate=0.0025
)
