"""YOLOv3 with Darknet-53 or MobileNetV2."""

from typing import Any

from omegaconf import DictConfig
from torch import Tensor

from detectory.compat._pytorch_resnet import renamed
from detectory.core.config import LazyCall
from detectory.modeling.backbone import MobileNetV2
from detectory.modeling.yolo import Darknet, YOLOv3, YOLOv3Head, YOLOv3Neck
from detectory.modeling.yolo.darknet import DARKNET53_DEPTHS

from .families import RGB, BuildOptions, Family, State

_BOTTOM_UP = "backbone.bottom_up"

#: Number of levels, which MMDetection numbers from the coarsest, and Detectory from the finest.
_LEVELS = 3

#: Anchors of the config for MobileNetV2 and images of 320 × 320 pixels; that for 416 × 416 has those of Darknet-53.
_MOBILE_ANCHORS = [
    [[10, 15], [24, 36], [72, 42]],
    [[35, 87], [102, 96], [60, 170]],
    [[220, 125], [128, 222], [264, 266]],
]

_LAYERS = (("expand_conv", "expand"), ("depthwise_conv", "depthwise"), ("linear_conv", "project"))


def _conv_rules(theirs: str, ours: str) -> list[tuple[str, str]]:
    """Return the rules of a convolution with norm; the last group of `theirs` is followed by the name of the entry."""
    groups = theirs.count("(") - theirs.count(r"\(") + 1
    return [
        (rf"{theirs}\.conv\.(weight)", rf"{ours}.\{groups}"),
        (rf"{theirs}\.bn\.(\w+)", rf"{ours}.norm.\{groups}"),
    ]


def _rules() -> list[tuple[str, str]]:
    rules = _conv_rules(r"backbone\.conv1", f"{_BOTTOM_UP}.stem")
    for i in range(5):  # Darknet
        stage = rf"backbone\.conv_res_block{i + 1}"
        rules += _conv_rules(rf"{stage}\.conv", rf"{_BOTTOM_UP}.stage{i + 1}.0")
        for block in range(8):
            rules += _conv_rules(rf"{stage}\.res{block}\.(conv[12])", rf"{_BOTTOM_UP}.stage{i + 1}.{block + 1}.\1")
    for theirs, ours in _LAYERS:  # MobileNetV2
        rules += _conv_rules(rf"backbone\.layer(\d)\.(\d)\.{theirs}", rf"{_BOTTOM_UP}.stage\1.\2.{ours}")
    for i in range(_LEVELS):
        for layer in range(5):
            rules += _conv_rules(rf"neck\.detect{i + 1}\.conv{layer + 1}", rf"backbone.blocks.{i}.{layer}")
        rules += _conv_rules(rf"neck\.conv{i + 1}", rf"backbone.reduce.{i}")
        rules += _conv_rules(rf"bbox_head\.convs_bridge\.{i}", rf"head.bridges.{_LEVELS - 1 - i}")
        level = _LEVELS - 1 - i
        rules.append((rf"bbox_head\.convs_pred\.{i}\.(\w+)", rf"head.levels.{level}.predictor.\1"))
    return rules


def _convert(state: State) -> dict[str, Tensor]:
    kept = {
        name: tensor
        for name, tensor in state.items()
        # `conv2`, the last convolution of MobileNetV2, has no influence on the detections.
        if not name.startswith(("data_preprocessor.", "backbone.conv2.")) and not name.endswith("num_batches_tracked")
    }
    return renamed(kept, _rules(), "convert_state_dict")


def _config(converted: State, options: BuildOptions) -> DictConfig:
    pixels: dict[str, Any]
    mobile = f"{_BOTTOM_UP}.stage2.0.expand.weight" in converted
    if mobile:
        bottom_up = LazyCall(MobileNetV2)(activation="leaky_relu")
        pixels = RGB | {"anchors": _MOBILE_ANCHORS}
    else:
        bottom_up = LazyCall(Darknet)(depths=list(DARKNET53_DEPTHS))
        pixels = {"pixel_mean": [0.0, 0.0, 0.0], "pixel_std": [255.0, 255.0, 255.0], "input_format": "RGB"}
    generator = options.head().get("anchor_generator") or {}
    if generator.get("base_sizes"):
        pixels = pixels | {"anchors": [[list(size) for size in level] for level in generator["base_sizes"][::-1]]}
    levels = range(_LEVELS)
    outputs = len(converted["head.levels.0.predictor.weight"])
    return LazyCall(YOLOv3)(
        backbone=LazyCall(YOLOv3Neck)(
            bottom_up=bottom_up,
            channels=[len(converted[f"backbone.blocks.{_LEVELS - 1 - i}.0.weight"]) for i in levels],
        ),
        head=LazyCall(YOLOv3Head)(
            in_channels=[converted[f"head.bridges.{i}.weight"].shape[1] for i in levels],
            channels=[len(converted[f"head.bridges.{i}.weight"]) for i in levels],
            num_classes="${..num_classes}",
        ),
        num_classes=outputs // 3 - 5,
        clip_boxes=False,
        **pixels,
    )


def _edges(config: DictConfig) -> tuple[int, int]:
    side = 608 if "depths" in config.backbone.bottom_up else 320
    return side, side


YOLOV3_FAMILY = Family("YOLOv3", "bbox_head.convs_pred.0.weight", _convert, _config, edges=_edges, learning_rate=2.5e-4)
