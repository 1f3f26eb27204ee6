"""Conversion of state dicts of MMDetection 1, 2 and 3 (detectors with a ResNet-FPN)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from detectory.compat._pytorch_resnet import renamed, sizes_before_ratios, split_backbone

_RPN, _MASK = "proposal_generator.rpn_head", "roi_heads.mask_head"
_HEADS = r"(?:roi_head\.)?"

#: RetinaNet has three anchor sizes with three aspect ratios each.
RETINANET_SIZES = RETINANET_RATIOS = 3


def is_version_1(state: Mapping[str, Tensor]) -> bool:
    """Return whether a two-stage detector was saved by MMDetection 1.x, in which class 0 is the background.

    RetinaNet has no background class, and its state dicts are equal in all versions.
    """
    return any((name.startswith("bbox_head.") and ".fc_" in name) or name.startswith("bbox_head.fc_") for name in state)


def is_retinanet(state: Mapping[str, Tensor]) -> bool:
    """Return whether a state dict belongs to a RetinaNet."""
    return "bbox_head.retina_cls.weight" in state


def _rules(state: Mapping[str, Tensor]) -> list[tuple[str, str]]:
    laterals = sum(name.startswith("neck.lateral_convs.") and name.endswith(".weight") for name in state)
    first = 6 - laterals
    outputs = [
        (rf"neck\.fpn_convs\.{i}\.conv\.(\w+)", rf"backbone.fpn_output{first + i}.\1")
        if i < laterals
        else (rf"neck\.fpn_convs\.{i}\.conv\.(\w+)", rf"backbone.top_block.p{first + i}.\1")
        for i in range(5)
    ]
    return [
        *[(rf"neck\.lateral_convs\.{i}\.conv\.(\w+)", rf"backbone.fpn_lateral{first + i}.\1") for i in range(laterals)],
        *outputs,
        (r"rpn_head\.rpn_conv\.(\w+)", rf"{_RPN}.conv.\1"),
        (r"rpn_head\.rpn_cls\.(\w+)", rf"{_RPN}.objectness_logits.\1"),
        (r"rpn_head\.rpn_reg\.(\w+)", rf"{_RPN}.anchor_deltas.\1"),
        # The heads of a cascade are numbered.
        *[
            (rf"{_HEADS}bbox_head\.(?:(\d)\.)?{theirs}\.(\w+)", ours)
            for theirs, ours in (
                (r"shared_fcs\.0", r"roi_heads.box_head.\1.fc1.\2"),
                (r"shared_fcs\.1", r"roi_heads.box_head.\1.fc2.\2"),
                ("fc_cls", r"roi_heads.box_predictor.\1.cls_score.\2"),
                ("fc_reg", r"roi_heads.box_predictor.\1.bbox_pred.\2"),
            )
        ],
        *[(rf"{_HEADS}mask_head\.convs\.{i}\.conv\.(\w+)", rf"{_MASK}.mask_fcn{i + 1}.\1") for i in range(4)],
        (rf"{_HEADS}mask_head\.upsample\.(\w+)", rf"{_MASK}.deconv.\1"),
        (rf"{_HEADS}mask_head\.conv_logits\.(\w+)", rf"{_MASK}.predictor.\1"),
        *[
            (rf"bbox_head\.{branch}_convs\.{i}\.conv\.(\w+)", rf"head.{ours}_subnet.{2 * i}.\1")
            for branch, ours in (("cls", "cls"), ("reg", "bbox"))
            for i in range(4)
        ],
        (r"bbox_head\.retina_cls\.(\w+)", r"head.cls_score.\1"),
        (r"bbox_head\.retina_reg\.(\w+)", r"head.bbox_pred.\1"),
    ]


def convert_state_dict(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the state dict of a Faster, Mask or Cascade R-CNN or a RetinaNet with a ResNet-FPN.

    Args:
        state: State dict of any MMDetection version; 1.x is detected from its names.

    Returns:
        Tensors by the parameter names of the equivalent Detectory model. The background of 1.x, class 0, becomes the
        last
            class of the box predictor and is removed from box deltas and masks.

    Raises:
        ValueError: If an entry does not belong to these models, such as a separate mask head per cascade stage.
    """
    version_1 = is_version_1(state)
    kept = {name: tensor for name, tensor in state.items() if not name.startswith("data_preprocessor.")}
    resnet, others = split_backbone(kept, "backbone.")
    renamed_entries = renamed(others, _rules(others), "convert_state_dict")
    for name, tensor in renamed_entries.items():
        # Heads outside a cascade have an empty number.
        plain = name.replace("..", ".")
        resnet[plain] = _without_background(plain, tensor) if version_1 else tensor
        if name.startswith(("head.cls_score.", "head.bbox_pred.")):
            resnet[plain] = sizes_before_ratios(tensor, RETINANET_SIZES, RETINANET_RATIOS)
    return resnet


def _without_background(name: str, tensor: Tensor) -> Tensor:
    """Move the background rows of 1.x to the end, or remove them."""
    if ".cls_score." in name:
        return torch.cat((tensor[1:], tensor[:1]))
    if ".bbox_pred." in name and tensor.shape[0] > 4:
        return tensor[4:]
    if name.startswith(f"{_MASK}.predictor.") and tensor.shape[0] > 1:
        return tensor[1:]
    return tensor
