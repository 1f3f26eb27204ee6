"""Parameter names of torchvision's detectors, and the order of their output channels."""

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Size, Tensor

from detectory.core.checkpoint.torchvision_names import resnet_name
from detectory.modeling.backbone import mobilenet_v3_large_blocks

#: Aspect ratios per size of the anchors, in all of torchvision's detectors.
RATIOS = 3

#: Index of the first layer of VGG-16 that torchvision keeps in the first additional level of SSD.
_VGG_TAIL = 23

#: Index of the first fully connected layer of VGG-16, a convolution in SSD.
_VGG_FC6 = 30

#: Index of the MobileNetV3 block that torchvision's SSDLite splits after its expansion.
_SPLIT_BLOCK = 13

_RPN, _BOX, _MASK = "proposal_generator.rpn_head", "roi_heads.box_predictor", "roi_heads.mask_head"

Rules = list[tuple[str, str]]


def our_names(names: Iterable[str]) -> dict[str, str]:
    """Return our parameter names of a torchvision detector, by its own names.

    Args:
        names: The names of a state dict, of any version of torchvision. Files of older versions lack `.0` after some
            convolutions.

    Raises:
        ValueError: If a name does not belong to a detector of torchvision, or two names become the same.
    """
    known = list(names)
    rules = [(re.compile(pattern), replacement) for pattern, replacement in _rules(known)]
    result: dict[str, str] = {}
    for name in known:
        body = resnet_name(name.removeprefix("backbone.body.")) if name.startswith("backbone.body.") else None
        ours = f"backbone.bottom_up.{body}" if body is not None else None
        for pattern, replacement in rules:
            if ours is None and (match := pattern.fullmatch(name)):
                ours = match.expand(replacement)
        if ours is None:
            raise ValueError(f"convert_state_dict: '{name}' is not an entry of a model that can be converted")
        result[name] = ours
    if len(set(result.values())) < len(result):
        twice = next(ours for ours in result.values() if list(result.values()).count(ours) > 1)
        raise ValueError(f"convert_state_dict: two entries would both become '{twice}'")
    return result


def row_order(name: str, shapes: Mapping[str, Size]) -> Tensor | None:
    """Return the rows of torchvision's tensor in the order of ours, `None` if the tensors are equal.

    torchvision's background is class 0, ours the last class; box deltas and masks of the background do not exist in our
    models. torchvision's anchors are ordered by aspect ratio and then by size, ours by size and then by ratio.

    Args:
        name: Name in torchvision's state dict.
        shapes: The shapes of this state dict.
    """
    layer, _, kind = name.rpartition(".")
    if kind not in ("weight", "bias"):
        return None
    rows = torch.arange(shapes[name][0])
    if layer == "roi_heads.box_predictor.cls_score":
        return torch.cat((rows[1:], rows[:1]))
    if layer == "roi_heads.box_predictor.bbox_pred":
        return rows[4:]
    if layer == "roi_heads.mask_predictor.mask_fcn_logits":
        return rows[1:]
    if layer in ("rpn.head.cls_logits", "rpn.head.bbox_pred"):
        return _sizes_first(rows, shapes[f"rpn.head.cls_logits.{kind}"][0])
    if layer in ("head.classification_head.cls_logits", "head.regression_head.bbox_reg"):
        return _sizes_first(rows, shapes[f"head.regression_head.bbox_reg.{kind}"][0] // 4)
    match = re.fullmatch(r"head\.classification_head\.module_list\.(\d+)((?:\.1)?)", layer)
    if match and len(shapes[f"{layer}.weight"]) == 4:
        anchors = shapes[f"head.regression_head.module_list.{match[1]}{match[2]}.{kind}"][0] // 4
        per_anchor = rows.reshape(anchors, -1)
        return torch.cat((per_anchor[:, 1:], per_anchor[:, :1]), dim=1).flatten()
    return None


def _sizes_first(rows: Tensor, num_anchors: int) -> Tensor | None:
    if num_anchors % RATIOS or num_anchors == RATIOS:
        return None
    return rows.reshape(RATIOS, num_anchors // RATIOS, -1).transpose(0, 1).flatten()


def _rules(names: list[str]) -> Rules:
    """Return regular expressions and replacements for all entries outside a ResNet."""
    if "backbone.scale_weight" in names:
        return _ssd_vgg_rules()
    if "backbone.features.0.0.0.weight" in names:
        return _ssdlite_rules()
    mobile = "backbone.body.0.0.weight" in names
    return [
        *(_mobile_pyramid_rules() if mobile else _pyramid_rules(names)),
        *_two_stage_rules(names),
        *_dense_rules(names),
    ]


def _pyramid_rules(names: list[str]) -> Rules:
    first_level = 6 - len({name.split(".")[3] for name in names if name.startswith("backbone.fpn.inner_blocks.")})
    levels = []
    for theirs, ours in (("inner", "lateral"), ("layer", "output")):
        for i in range(4):
            block, layer = rf"backbone\.fpn\.{theirs}_blocks\.{i}", f"backbone.fpn_{ours}{first_level + i}"
            levels += [(rf"{block}(?:\.0)?\.(\w+)", rf"{layer}.\1"), (rf"{block}\.1\.(\w+)", rf"{layer}.norm.\1")]
    return [*levels, (r"backbone\.fpn\.extra_blocks\.(p[67])\.(\w+)", r"backbone.top_block.\1.\2")]


def _mobile_pyramid_rules() -> Rules:
    blocks = len(mobilenet_v3_large_blocks())
    bottom_up = "backbone.bottom_up"
    rules = [
        *_norm_rules(r"backbone\.body\.0", f"{bottom_up}.stem"),
        *_norm_rules(rf"backbone\.body\.{blocks + 1}", f"{bottom_up}.last"),
    ]
    for i in range(1, blocks + 1):
        rules += _block_rules(rf"backbone\.body\.{i}\.block", bottom_up, i)
    for theirs, ours in (("inner", "laterals"), ("layer", "outputs")):
        rules.append((rf"backbone\.fpn\.{theirs}_blocks\.(\d)(?:\.0)?\.(\w+)", rf"backbone.{ours}.\1.\2"))
    return rules


def _norm_rules(theirs: str, ours: str) -> Rules:
    """Return the rules of a convolution, `.0`, and its norm, `.1`."""
    return [(rf"{theirs}\.0\.(\w+)", rf"{ours}.\1"), (rf"{theirs}\.1\.(\w+)", rf"{ours}.norm.\1")]


def _block_rules(theirs: str, bottom_up: str, index: int) -> Rules:
    """Return the rules of one block of MobileNetV3, counted from 1."""
    rows = mobilenet_v3_large_blocks()
    _, expanded, _, squeeze, _, _ = rows[index - 1]
    in_channels = rows[index - 2][2] if index > 1 else 16
    parts = ["expand"] * (expanded != in_channels) + ["depthwise"] + ["squeeze"] * squeeze + ["project"]
    rules: Rules = []
    for position, part in enumerate(parts):
        ours = f"{bottom_up}.blocks.{index - 1}.{part}"
        if part == "squeeze":
            rules.append((rf"{theirs}\.{position}\.(fc[12])\.(\w+)", rf"{ours}.\1.\2"))
        else:
            rules += _norm_rules(rf"{theirs}\.{position}", ours)
    return rules


def _two_stage_rules(names: list[str]) -> Rules:
    several = any(name.startswith("rpn.head.conv.1.") for name in names)
    convolutions = {name.split(".")[2] for name in names if re.match(r"roi_heads\.box_head\.\d\.0\.", name)}
    flatten = len(convolutions)  # index of the layer between convolutions and fully connected layers
    masks = []
    for i in range(4):
        masks += _norm_rules(rf"roi_heads\.mask_head\.{i}", f"{_MASK}.mask_fcn{i + 1}")
        masks.append((rf"roi_heads\.mask_head\.mask_fcn{i + 1}\.(\w+)", rf"{_MASK}.mask_fcn{i + 1}.\1"))
    boxes = []
    for i in range(flatten):
        boxes += _norm_rules(rf"roi_heads\.box_head\.{i}", f"roi_heads.box_head.conv{i + 1}")
    return [
        (
            (r"rpn\.head\.conv\.(\d)\.0\.(\w+)", rf"{_RPN}.conv.conv\1.\2")
            if several
            else (r"rpn\.head\.conv(?:\.0\.0)?\.(\w+)", rf"{_RPN}.conv.\1")
        ),
        (r"rpn\.head\.cls_logits\.(\w+)", rf"{_RPN}.objectness_logits.\1"),
        (r"rpn\.head\.bbox_pred\.(\w+)", rf"{_RPN}.anchor_deltas.\1"),
        (r"roi_heads\.box_head\.fc6\.(\w+)", r"roi_heads.box_head.fc1.\1"),
        (r"roi_heads\.box_head\.fc7\.(\w+)", r"roi_heads.box_head.fc2.\1"),
        *boxes,
        *[(rf"roi_heads\.box_head\.{flatten + 2 * i - 1}\.(\w+)", rf"roi_heads.box_head.fc{i}.\1") for i in (1, 2)],
        (rf"({re.escape(_BOX)}\.\w+\.\w+)", r"\1"),
        *masks,
        (r"roi_heads\.mask_predictor\.conv5_mask\.(\w+)", rf"{_MASK}.deconv.\1"),
        (r"roi_heads\.mask_predictor\.mask_fcn_logits\.(\w+)", rf"{_MASK}.predictor.\1"),
        *[
            (rf"roi_heads\.keypoint_head\.{2 * i}\.(\w+)", rf"roi_heads.keypoint_head.conv_fcn{i + 1}.\1")
            for i in range(8)
        ],
        (r"roi_heads\.keypoint_predictor\.kps_score_lowres\.(\w+)", r"roi_heads.keypoint_head.score_lowres.\1"),
    ]


def _dense_rules(names: list[str]) -> Rules:
    has_norm = any(name.startswith("head.classification_head.conv.0.1.") for name in names)
    is_fcos = any(name.startswith("head.regression_head.bbox_ctrness.") for name in names)
    towers = []
    for theirs, ours in (("classification", "cls"), ("regression", "bbox")):
        tower = rf"head\.{theirs}_head\.conv"
        if is_fcos:
            towers.append((rf"{tower}\.(\d+)\.(\w+)", rf"head.{ours}_subnet.\1.\2"))
            continue
        step = 3 if has_norm else 2
        for i in range(4):
            # Nested with their norms and activations, or in older files a flat sequence.
            towers.append((rf"{tower}\.{i}\.0\.(\w+)", rf"head.{ours}_subnet.{step * i}.\1"))
            towers.append((rf"{tower}\.{i}\.1\.(\w+)", rf"head.{ours}_subnet.{step * i + 1}.\1"))
            towers.append((rf"{tower}\.{2 * i}\.(\w+)", rf"head.{ours}_subnet.{2 * i}.\1"))
    return [
        *towers,
        (r"head\.classification_head\.cls_logits\.(\w+)", r"head.cls_score.\1"),
        (r"head\.regression_head\.bbox_reg\.(\w+)", r"head.bbox_pred.\1"),
        (r"head\.regression_head\.bbox_ctrness\.(\w+)", r"head.ctrness.\1"),
    ]


def _ssd_vgg_rules() -> Rules:
    tail = [(rf"backbone\.extra\.0\.{i}\.(\w+)", rf"backbone.features.{_VGG_TAIL + i}.\1") for i in range(1, 6)]
    fully_connected = [(rf"backbone\.extra\.0\.7\.{i}\.(\w+)", rf"backbone.features.{_VGG_FC6 + i}.\1") for i in (1, 3)]
    extra = [
        (rf"backbone\.extra\.{i + 1}\.{2 * j}\.(\w+)", rf"backbone.extra_layers.{i}.{j}.\1")
        for i in range(5)
        for j in range(2)
    ]
    return [
        (r"backbone\.scale_weight", "backbone.l2_norm.weight"),
        (r"backbone\.(features\.\d+\.\w+)", r"backbone.\1"),
        *tail,
        *fully_connected,
        *extra,
        (r"head\.classification_head\.module_list\.(\d)\.(\w+)", r"head.cls_score.\1.\2"),
        (r"head\.regression_head\.module_list\.(\d)\.(\w+)", r"head.bbox_pred.\1.\2"),
    ]


def _ssdlite_rules() -> Rules:
    bottom_up, first, second = "backbone.bottom_up", r"backbone\.features\.0", r"backbone\.features\.1"
    blocks = len(mobilenet_v3_large_blocks())
    rules = _norm_rules(rf"{first}\.0", f"{bottom_up}.stem")
    for i in range(1, _SPLIT_BLOCK):
        rules += _block_rules(rf"{first}\.{i}\.block", bottom_up, i)
    rules += _norm_rules(rf"{first}\.{_SPLIT_BLOCK}", f"{bottom_up}.blocks.{_SPLIT_BLOCK - 1}.expand")
    rules += _block_rules(rf"{second}\.0", bottom_up, _SPLIT_BLOCK)
    for i in range(_SPLIT_BLOCK + 1, blocks + 1):
        rules += _block_rules(rf"{second}\.{i - _SPLIT_BLOCK}\.block", bottom_up, i)
    rules += _norm_rules(rf"{second}\.{blocks + 1 - _SPLIT_BLOCK}", f"{bottom_up}.last")
    extra = r"backbone\.extra\.(\d)\.(\d)"
    rules.append((rf"{extra}\.0\.(\w+)", r"backbone.extra_layers.\1.\2.\3"))
    rules.append((rf"{extra}\.1\.(\w+)", r"backbone.extra_layers.\1.\2.norm.\3"))
    for theirs, ours in (("classification", "cls_score"), ("regression", "bbox_pred")):
        levels = rf"head\.{theirs}_head\.module_list\.(\d)"
        rules += [
            (rf"{levels}\.0\.0\.(\w+)", rf"head.{ours}.\1.0.\2"),
            (rf"{levels}\.0\.1\.(\w+)", rf"head.{ours}.\1.0.norm.\2"),
            (rf"{levels}\.1\.(\w+)", rf"head.{ours}.\1.1.\2"),
        ]
    return rules
