"""Faster, Mask and Cascade R-CNN with a ResNet-FPN."""

import torch
from omegaconf import DictConfig, open_dict
from torch import Tensor

from detectory import zoo
from detectory.zoo.parts.cascade import make_cascade

from .families import BuildOptions, Family, State
from .resnet_fpn import convert_with_fpn, set_backbone

_RPN, _MASK = "proposal_generator.rpn_head", "roi_heads.mask_head"
_HEADS = r"(?:roi_head\.)?"

#: Standard deviations of the box deltas of the three stages of a cascade.
_CASCADE_STDS = ((0.1, 0.1, 0.2, 0.2), (0.05, 0.05, 0.1, 0.1), (0.033, 0.033, 0.067, 0.067))

# The heads of a cascade are numbered.
_RULES = [
    (r"rpn_head\.rpn_conv\.(\w+)", rf"{_RPN}.conv.\1"),
    (r"rpn_head\.rpn_cls\.(\w+)", rf"{_RPN}.objectness_logits.\1"),
    (r"rpn_head\.rpn_reg\.(\w+)", rf"{_RPN}.anchor_deltas.\1"),
    *[
        (rf"{_HEADS}bbox_head\.(?:(\d)\.)?{theirs}\.(\w+)", ours)
        for theirs, ours in (
            *[(rf"shared_convs\.{i}\.conv", rf"roi_heads.box_head.\1.conv{i + 1}.\2") for i in range(4)],
            *[(rf"shared_convs\.{i}\.gn", rf"roi_heads.box_head.\1.conv{i + 1}.norm.\2") for i in range(4)],
            (r"shared_fcs\.0", r"roi_heads.box_head.\1.fc1.\2"),
            (r"shared_fcs\.1", r"roi_heads.box_head.\1.fc2.\2"),
            ("fc_cls", r"roi_heads.box_predictor.\1.cls_score.\2"),
            ("fc_reg", r"roi_heads.box_predictor.\1.bbox_pred.\2"),
        )
    ],
    *[
        (rf"{_HEADS}mask_head\.(?:(\d)\.)?convs\.{i}\.{layer}\.(\w+)", rf"{_MASK}.\1.mask_fcn{i + 1}.{norm}\2")
        for i in range(4)
        for layer, norm in (("conv", ""), ("gn", "norm."))
    ],
    (rf"{_HEADS}mask_head\.(?:(\d)\.)?upsample\.(\w+)", rf"{_MASK}.\1.deconv.\2"),
    (rf"{_HEADS}mask_head\.(?:(\d)\.)?conv_logits\.(\w+)", rf"{_MASK}.\1.predictor.\2"),
]


def is_version_1(state: State) -> bool:
    """Return whether a two-stage detector was saved by MMDetection 1.x, in which class 0 is the background.

    RetinaNet has no background class, and its state dicts are equal in all versions.
    """
    return any((name.startswith("bbox_head.") and ".fc_" in name) or name.startswith("bbox_head.fc_") for name in state)


def _convert(state: State) -> dict[str, Tensor]:
    version_1 = is_version_1(state)
    converted = {}
    for name, tensor in convert_with_fpn(state, _RULES).items():
        plain = name.replace("..", ".")  # heads outside a cascade have an empty number
        converted[plain] = _without_background(plain, tensor) if version_1 else tensor
    return converted


def _without_background(name: str, tensor: Tensor) -> Tensor:
    """Move the background rows of 1.x to the end, or remove them."""
    if ".cls_score." in name:
        return torch.cat((tensor[1:], tensor[:1]))
    if ".bbox_pred." in name and tensor.shape[0] > 4:
        return tensor[4:]
    if name.startswith(f"{_MASK}.") and ".predictor." in name and tensor.shape[0] > 1:
        return tensor[1:]
    return tensor


def _config(converted: State, options: BuildOptions) -> DictConfig:
    config = zoo.get_config("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x").model
    cascade = "roi_heads.box_predictor.0.cls_score.weight" in converted
    with open_dict(config):
        if cascade:
            _set_cascade(config, converted)
        first = "roi_heads.box_predictor.0." if cascade else "roi_heads.box_predictor."
        config.roi_heads.num_classes = converted[f"{first}cls_score.weight"].shape[0] - 1
        if not cascade:
            _set_box_head(config, converted)
        if f"{_MASK}.mask_fcn1.norm.weight" in converted:
            config.roi_heads.mask_head.conv_norm = "GN"
        if not any(name.startswith(f"{_MASK}.") for name in converted):
            for part in ("mask_in_features", "mask_pooler", "mask_head"):
                del config.roi_heads[part]
    set_backbone(config, converted, options)
    return config


def _set_box_head(config: DictConfig, converted: State) -> None:
    """Set the layers of the box head: two fully connected ones, or four convolutions and a fully connected one."""
    head = config.roi_heads.box_head
    convolutions = sum(f"roi_heads.box_head.conv{i}.weight" in converted for i in range(1, 5))
    layers = sum(f"roi_heads.box_head.fc{i}.weight" in converted for i in range(1, 3))
    head.conv_dims, head.fc_dims = [256] * convolutions, [1024] * layers
    if "roi_heads.box_head.conv1.norm.weight" in converted:
        head.conv_norm = "GN"


def _set_cascade(config: DictConfig, converted: State) -> None:
    make_cascade(config, conv_norm="")
    heads = config.roi_heads
    heads.score_averaging = "logits"
    for head in heads.box_heads:
        head.conv_dims, head.fc_dims = [], [1024, 1024]
    for predictor, stds in zip(heads.box_predictors, _CASCADE_STDS, strict=True):
        predictor.box2box_transform.weights = [1 / x for x in stds]
    if f"{_MASK}.0.predictor.weight" in converted:
        head = heads.mask_head
        head.num_classes = "${...num_classes}"  # one level deeper, in a list
        heads.mask_head = [head, head, head]


TWO_STAGE = Family("Faster, Mask or Cascade R-CNN", "rpn_head.rpn_cls.weight", _convert, _config)
