"""Names of maskrcnn-benchmark's parameters."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from detectory.compat._pytorch_resnet import renamed, sizes_before_ratios

_RPN, _BOX = "proposal_generator.rpn_head", "roi_heads.box_predictor"
_MASK, _KEYPOINT = "roi_heads.mask_head", "roi_heads.keypoint_head"
_RATIOS = 3

#: Epsilon of `FrozenBatchNorm2d`.
_EPSILON = 1e-5

#: Suffixes of a convolution with its norm, theirs and ours; without a norm, the convolution has no suffix.
_LAYER_AND_NORM = (("", ""), (r"\.0", ""), (r"\.1", ".norm"))


def _rules(fpn: bool, retinanet: bool, group_norm: bool) -> list[tuple[str, str]]:
    bottom_up = "backbone.bottom_up" if fpn else "backbone"
    layers = [(r"conv(\d)", r"conv\3"), (r"bn(\d)", r"conv\3.norm")]
    # On C4 the last stage of the ResNet belongs to the box head.
    resnets = ((r"backbone\.body\.", bottom_up), (r"roi_heads\.box\.feature_extractor\.head\.", "roi_heads"))
    blocks = [
        (rf"{theirs}layer(\d)\.(\d+)\.{layer}\.(\w+)", rf"{ours}.res\1.\2.{name}.\4")
        for theirs, ours in resnets
        for layer, name in layers
    ]
    shortcuts = [
        (rf"{theirs}layer(\d)\.(\d+)\.downsample\.{index}\.(\w+)", rf"{ours}.res\1.\2.shortcut{norm}.\3")
        for theirs, ours in resnets
        for index, norm in ((0, ""), (1, ".norm"))
    ]
    dense = [
        (r"rpn\.head\.(cls|bbox)_tower\.(\d)\.(\w+)", r"head.\1_subnet.\2.\3"),
        (r"rpn\.head\.cls_logits\.(\w+)", r"head.cls_score.\1"),
        (r"rpn\.head\.bbox_pred\.(\w+)", r"head.bbox_pred.\1"),
    ]
    proposals = [
        (r"rpn\.head\.conv\.(\w+)", rf"{_RPN}.conv.\1"),
        (r"rpn\.head\.cls_logits\.(\w+)", rf"{_RPN}.objectness_logits.\1"),
        (r"rpn\.head\.bbox_pred\.(\w+)", rf"{_RPN}.anchor_deltas.\1"),
    ]
    return [
        (r"backbone\.body\.stem\.conv1\.(\w+)", rf"{bottom_up}.stem.conv1.\1"),
        (r"backbone\.body\.stem\.bn1\.(\w+)", rf"{bottom_up}.stem.conv1.norm.\1"),
        *blocks,
        *shortcuts,
        *[
            (rf"backbone\.fpn\.fpn_{theirs}(\d){layer}\.(\w+)", rf"backbone.fpn_{ours}\1{norm}.\2")
            for theirs, ours in (("inner", "lateral"), ("layer", "output"))
            for layer, norm in _LAYER_AND_NORM
        ],
        (r"backbone\.fpn\.top_blocks\.(p[67])\.(\w+)", r"backbone.top_block.\1.\2"),
        *(dense if retinanet else proposals),
        (r"roi_heads\.box\.feature_extractor\.fc6\.(\w+)", r"roi_heads.box_head.fc1.\1"),
        (r"roi_heads\.box\.feature_extractor\.fc7\.(\w+)", r"roi_heads.box_head.fc2.\1"),
        (r"roi_heads\.box\.predictor\.(cls_score|bbox_pred)\.(\w+)", rf"{_BOX}.\1.\2"),
        *_box_convolutions(group_norm),
        *[
            (rf"roi_heads\.mask\.feature_extractor\.mask_fcn(\d){layer}\.(\w+)", rf"{_MASK}.mask_fcn\1{norm}.\2")
            for layer, norm in _LAYER_AND_NORM
        ],
        (r"roi_heads\.mask\.predictor\.conv5_mask\.(\w+)", rf"{_MASK}.deconv.\1"),
        (r"roi_heads\.mask\.predictor\.mask_fcn_logits\.(\w+)", rf"{_MASK}.predictor.\1"),
        (r"roi_heads\.keypoint\.feature_extractor\.conv_fcn(\d)\.(\w+)", rf"{_KEYPOINT}.conv_fcn\1.\2"),
        (r"roi_heads\.keypoint\.predictor\.kps_score_lowres\.(\w+)", rf"{_KEYPOINT}.score_lowres.\1"),
    ]


def _box_convolutions(group_norm: bool) -> list[tuple[str, str]]:
    """Return the rules of the convolutions of a box head, which are a sequence with their norms and activations."""
    step, name = 3 if group_norm else 2, r"roi_heads\.box\.feature_extractor\.xconvs"
    convolutions = [(rf"{name}\.{step * i}\.(\w+)", rf"roi_heads.box_head.conv{i + 1}.\1") for i in range(8)]
    if not group_norm:
        return convolutions
    norms = [(rf"{name}\.{step * i + 1}\.(\w+)", rf"roi_heads.box_head.conv{i + 1}.norm.\1") for i in range(8)]
    return [*convolutions, *norms]


def has_group_norm(state: Mapping[str, Tensor]) -> bool:
    """Return whether the norms of the ResNet of a state dict have no statistics."""
    return not any(name.endswith(".bn1.running_mean") for name in state)


def convert_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the state dict of a model of maskrcnn-benchmark.

    Args:
        state: Tensors by name, with or without the prefix `module.`.

    Returns:
        Tensors by our names. The background, class 0, becomes the last class of the scores and is removed from box
            deltas and masks. The epsilon of our frozen batch norms is subtracted from the variances, as the original
            norms have none.

    Raises:
        ValueError: If an entry does not belong to a supported architecture.
    """
    plain = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    # Anchors are derived from the settings, and the mask head on C4 repeats the last stage of the box head.
    plain = {
        name: tensor
        for name, tensor in plain.items()
        if "anchor_generator.cell_anchors" not in name and not name.startswith("roi_heads.mask.feature_extractor.head.")
    }
    fpn = any(name.startswith("backbone.fpn.") for name in plain)
    retinanet = any(name.startswith("rpn.head.cls_tower.") for name in plain)
    result = {}
    for name, tensor in renamed(plain, _rules(fpn, retinanet, has_group_norm(plain)), "convert_weights").items():
        if name.endswith(".running_var"):
            tensor = tensor - _EPSILON
        result[_with_our_levels(name)] = _reordered(name, tensor, fpn)
    return result


def _with_our_levels(name: str) -> str:
    """Number stages and pyramid levels from 2, as `res2` and `fpn_lateral2`; theirs start at 1."""
    return re.sub(r"(\.res|\.fpn_lateral|\.fpn_output)(\d)\.", lambda match: f"{match[1]}{int(match[2]) + 1}.", name)


def _reordered(name: str, tensor: Tensor, fpn: bool) -> Tensor:
    if name.startswith(f"{_BOX}.cls_score."):
        return torch.cat((tensor[1:], tensor[:1]))
    if name.startswith(f"{_BOX}.bbox_pred.") and tensor.shape[0] > 8:
        return tensor[4:]
    if name.startswith(f"{_MASK}.predictor.") and tensor.shape[0] > 2:
        return tensor[1:]
    if name.startswith(("head.cls_score.", "head.bbox_pred.")):
        return sizes_before_ratios(tensor, 3, _RATIOS)
    if not fpn and name.startswith((f"{_RPN}.objectness_logits.", f"{_RPN}.anchor_deltas.")):
        anchors = tensor.shape[0] // (4 if "anchor_deltas" in name else 1)
        return sizes_before_ratios(tensor, anchors // _RATIOS, _RATIOS)
    return tensor
