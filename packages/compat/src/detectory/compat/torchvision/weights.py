"""Conversion of state dicts of torchvision's detectors with a ResNet-FPN."""

from collections.abc import Mapping

import torch
from torch import Tensor

from detectory.compat._pytorch_resnet import renamed, sizes_before_ratios, split_backbone

#: RetinaNet has three anchor sizes with three aspect ratios each.
RETINANET_SIZES = RETINANET_RATIOS = 3

_RPN, _BOX, _MASK = "proposal_generator.rpn_head", "roi_heads.box_predictor", "roi_heads.mask_head"


def _rules(first_level: int) -> list[tuple[str, str]]:
    """Return regular expressions and replacements; files of older versions lack `.0` after the convolutions."""
    levels = [
        (rf"backbone\.fpn\.{theirs}_blocks\.{i}(?:\.0)?\.(\w+)", rf"backbone.fpn_{ours}{first_level + i}.\1")
        for theirs, ours in (("inner", "lateral"), ("layer", "output"))
        for i in range(4)
    ]
    # Convolutions in a Sequential: consecutive numbers with nested activations, or every other number in older files.
    dense = [
        (rf"head\.{theirs}_head\.conv\.{number}\.(\w+)", rf"head.{ours}_subnet.{2 * i}.\1")
        for theirs, ours in (("classification", "cls"), ("regression", "bbox"))
        for i in range(4)
        for number in (rf"{i}\.0", str(2 * i))
    ]
    masks = [
        (rf"roi_heads\.mask_head\.{number}\.(\w+)", rf"{_MASK}.mask_fcn{i + 1}.\1")
        for i in range(4)
        for number in (rf"{i}\.0", f"mask_fcn{i + 1}")
    ]
    keypoints = [
        (rf"roi_heads\.keypoint_head\.{2 * i}\.(\w+)", rf"roi_heads.keypoint_head.conv_fcn{i + 1}.\1") for i in range(8)
    ]
    return [
        *levels,
        (r"backbone\.fpn\.extra_blocks\.(p[67])\.(\w+)", r"backbone.top_block.\1.\2"),
        (r"rpn\.head\.conv(?:\.0\.0)?\.(\w+)", rf"{_RPN}.conv.\1"),
        (r"rpn\.head\.cls_logits\.(\w+)", rf"{_RPN}.objectness_logits.\1"),
        (r"rpn\.head\.bbox_pred\.(\w+)", rf"{_RPN}.anchor_deltas.\1"),
        (r"roi_heads\.box_head\.fc6\.(\w+)", r"roi_heads.box_head.fc1.\1"),
        (r"roi_heads\.box_head\.fc7\.(\w+)", r"roi_heads.box_head.fc2.\1"),
        (r"(roi_heads\.box_predictor\.\w+\.\w+)", r"\1"),
        *masks,
        (r"roi_heads\.mask_predictor\.conv5_mask\.(\w+)", rf"{_MASK}.deconv.\1"),
        (r"roi_heads\.mask_predictor\.mask_fcn_logits\.(\w+)", rf"{_MASK}.predictor.\1"),
        *keypoints,
        (r"roi_heads\.keypoint_predictor\.kps_score_lowres\.(\w+)", r"roi_heads.keypoint_head.score_lowres.\1"),
        *dense,
        (r"head\.classification_head\.cls_logits\.(\w+)", r"head.cls_score.\1"),
        (r"head\.regression_head\.bbox_reg\.(\w+)", r"head.bbox_pred.\1"),
    ]


def convert_state_dict(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the state dict of a Faster, Mask or Keypoint R-CNN or a RetinaNet with a ResNet-FPN.

    torchvision's background, class 0, becomes the last class of the box predictor and is removed from box deltas and
    masks. RetinaNet keeps all its classes, including the unused class 0.

    Args:
        state: State dict of `fasterrcnn_resnet50_fpn` and similar models, of any torchvision version.

    Returns:
        Tensors by the parameter names of the equivalent Detectory model.

    Raises:
        ValueError: If an entry does not belong to these models, such as the norms of the second versions (`…_v2`).
    """
    resnet, others = split_backbone(state, "backbone.body.")
    inner = {name.split(".")[3] for name in others if name.startswith("backbone.fpn.inner_blocks.")}
    renamed_entries = renamed(others, _rules(first_level=6 - len(inner)), "convert_state_dict")
    return resnet | {name: _reordered(name, tensor) for name, tensor in renamed_entries.items()}


def _reordered(name: str, tensor: Tensor) -> Tensor:
    if name.startswith(f"{_BOX}.cls_score."):
        return torch.cat((tensor[1:], tensor[:1]))
    if name.startswith(f"{_BOX}.bbox_pred."):
        return tensor[4:]
    if name.startswith(f"{_MASK}.predictor."):
        return tensor[1:]
    if name.startswith(("head.cls_score.", "head.bbox_pred.")):
        return sizes_before_ratios(tensor, RETINANET_SIZES, RETINANET_RATIOS)
    return tensor
