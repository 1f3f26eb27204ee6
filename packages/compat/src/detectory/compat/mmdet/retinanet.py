"""RetinaNet with a ResNet-FPN."""

from omegaconf import DictConfig, open_dict
from torch import Tensor

from detectory import zoo
from detectory.compat._pytorch_resnet import sizes_before_ratios

from .families import BuildOptions, Family, State
from .resnet_fpn import convert_with_fpn, set_backbone, set_top_block

#: Three anchor sizes with three aspect ratios each.
_SIZES = _RATIOS = 3

_RULES = [
    *[
        (rf"bbox_head\.{branch}_convs\.{i}\.conv\.(\w+)", rf"head.{ours}_subnet.{2 * i}.\1")
        for branch, ours in (("cls", "cls"), ("reg", "bbox"))
        for i in range(4)
    ],
    (r"bbox_head\.retina_cls\.(\w+)", r"head.cls_score.\1"),
    (r"bbox_head\.retina_reg\.(\w+)", r"head.bbox_pred.\1"),
]


def _convert(state: State) -> dict[str, Tensor]:
    converted = convert_with_fpn(state, _RULES)
    for name, tensor in converted.items():
        if name.startswith(("head.cls_score.", "head.bbox_pred.")):
            converted[name] = sizes_before_ratios(tensor, _SIZES, _RATIOS)
    return converted


def _config(converted: State, options: BuildOptions) -> DictConfig:
    config = zoo.get_config("COCO-Detection/retinanet_R_50_FPN_1x").model
    with open_dict(config):
        config.clip_before_nms = True
        config.num_classes = converted["head.cls_score.weight"].shape[0] // (_SIZES * _RATIOS)
    set_top_block(config, converted, activation=False)
    set_backbone(config, converted, options)
    return config


RETINANET = Family("RetinaNet", "bbox_head.retina_cls.weight", _convert, _config)
