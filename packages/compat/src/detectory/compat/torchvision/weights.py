"""State dicts of torchvision's detectors with a ResNet-FPN, renamed and reordered."""

from collections.abc import Mapping

import torch
from torch import Tensor

from detectory.compat._pytorch_resnet import renamed, sizes_before_ratios, split_backbone

#: Anchors of RetinaNet: three sizes with three ratios each.
RETINANET_SIZES = RETINANET_RATIOS = 3

_RPN, _BOX, _MASK = "proposal_generator.rpn_head", "roi_heads.box_predictor", "roi_heads.mask_head"


def _rules(first_level: int) -> list[tuple[str, str]]:
    """Return patterns and replacements; older files lack a `.0` behind the convolutions."""
    levels = [
        (rf"backbone\.fpn\.{theirs}_blocks\.{i}(?:\.0)?\.(\w+)", rf"backbone.fpn_{ours}{first_level + i}.\1")
        for theirs, ours in (("inner", "lateral"), ("layer", "output"))
        for i in range(4)
    ]
    # Convolutions of a Sequential: numbered one by one with an activation inside, or every other in older files.
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

    torchvision counts the background as class 0: here it is the last class of the box predictor, and no class of the
    box deltas and the masks. RetinaNet keeps all its classes, the useless class 0 as well.

    Args:
        state: torchvision's, of `fasterrcnn_resnet50_fpn` and its like, of any version.

    Returns:
        Tensors by the names of our models with the same parts.

    Raises:
        ValueError: an entry is none of these models', such as those of the second versions (`…_v2`) with their norms.
    """
    resnet, others = split_backbone(state, "backbone.body.")
    inner = {name.split(".")[3] for name in others if name.startswith("backbone.fpn.inner_blocks.")}
    found = renamed(others, _rules(first_level=6 - len(inner)), "convert_state_dict")
    return resnet | {name: _reordered(name, tensor) for name, tensor in found.items()}


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
