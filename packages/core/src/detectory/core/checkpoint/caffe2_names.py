"""Conversion of parameter names and layouts from Detectron's Caffe2 weights to Detectron2.

The Caffe2 blob `res2_0_branch2a_bn_s` corresponds to the parameter `res2.0.conv1.norm.weight`. Detectron used class 0
for the background; Detectron2 uses the last class. Classifier rows are therefore reordered as well.
"""

import re
from collections.abc import Mapping

import torch

_ENDINGS = {
    "_bn_s": ".norm.weight",
    "_bn_b": ".norm.bias",
    "_bn_rm": ".norm.running_mean",
    "_bn_riv": ".norm.running_var",
    "_bn_running_mean": ".norm.running_mean",
    "_bn_running_var": ".norm.running_var",
    "_bn_gamma": ".norm.weight",
    "_bn_beta": ".norm.bias",
    "_gn_s": ".norm.weight",
    "_gn_b": ".norm.bias",
    "_w": ".weight",
    "_b": ".bias",
}
_BRANCHES = {"branch1": "shortcut", "branch2a": "conv1", "branch2b": "conv2", "branch2c": "conv3"}
_RPN = "proposal_generator.rpn_head"

# (pattern of the blob name without its ending, module name)
_RULES: list[tuple[re.Pattern[str], str]] = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"(?:res_)?conv1", "stem.conv1"),
        (r"(?:res_)?conv1_(\d)", r"stem.conv1_\1"),
        (r"(res[2-5])_(\d+)_(branch\w+)", r"\1.\2.\3"),
        (r"fpn_inner_res(\d)_\d+_sum(?:_lateral)?", r"fpn_lateral\1"),
        (r"fpn_res(\d)_\d+_sum", r"fpn_output\1"),
        (r"fpn_(\d)", r"top_block.p\1"),
        (r"conv_rpn(?:_fpn\d)?", f"{_RPN}.conv"),
        (r"rpn_cls_logits(?:_fpn\d)?", f"{_RPN}.objectness_logits"),
        (r"rpn_bbox_pred(?:_fpn\d)?", f"{_RPN}.anchor_deltas"),
        (r"retnet_(cls|bbox)_conv_n(\d)_fpn\d", r"head.\1_subnet.\2"),
        (r"retnet_cls_pred_fpn\d", "head.cls_score"),
        (r"retnet_bbox_pred_fpn\d", "head.bbox_pred"),
        (r"fc6", "box_head.fc1"),
        (r"fc7", "box_head.fc2"),
        (r"head_conv(\d)", r"box_head.conv\1"),
        (r"cls_score", "box_predictor.cls_score"),
        (r"bbox_pred", "box_predictor.bbox_pred"),
        (r"_\[mask\]_fcn(\d)", r"mask_head.mask_fcn\1"),
        (r"conv5_mask", "mask_head.deconv"),
        (r"mask_fcn_logits", "mask_head.predictor"),
        (r"conv_fcn(\d)", r"keypoint_head.conv_fcn\1"),
        (r"kps_score_lowres", "keypoint_head.score_lowres"),
    ]
]


def convert_basic_names(names: list[str]) -> list[str]:
    """Convert blob names of a backbone to parameter names; only endings and ResNet components are translated."""
    return [_translate(name) for name in names]


def convert_caffe2_names(weights: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Convert the names and layouts of Caffe2 blobs.

    Args:
        weights: Tensors by blob name.

    Returns:
        The tensors by parameter name, and the original blob name of each parameter. The background row of `cls_score`
        is moved to the end. The background rows of a class-specific `bbox_pred`, and of a mask predictor with more
        than one class, are removed. All-zero biases such as `conv1_b` are kept; name matching drops them.

    Raises:
        ValueError: If two blobs map to the same name.
    """
    converted: dict[str, torch.Tensor] = {}
    origins: dict[str, str] = {}
    for blob, tensor in sorted(weights.items()):
        name = _translate(blob)
        if name in converted:
            raise ValueError(f"convert_caffe2_names: '{blob}' and '{origins[name]}' would both become '{name}'")
        converted[name] = _reorder(name, tensor)
        origins[name] = blob
    return converted, origins


def _translate(blob: str) -> str:
    stem, ending = blob, ""
    for suffix, replacement in _ENDINGS.items():
        if blob.endswith(suffix):
            stem, ending = blob[: -len(suffix)], replacement
            break
    for pattern, replacement in _RULES:
        if pattern.fullmatch(stem):
            stem = pattern.sub(replacement, stem)
            break
    else:
        stem = stem.replace("_", ".")
    parts = [_BRANCHES.get(part, part) for part in stem.split(".")]
    # RetinaNet's subnets alternate convolutions and activations, so the n-th convolution has index 2n.
    if "cls_subnet" in parts or "bbox_subnet" in parts:
        parts[-1] = str(2 * int(parts[-1]))
    return ".".join(parts) + ending


def _reorder(name: str, tensor: torch.Tensor) -> torch.Tensor:
    if name.startswith("box_predictor.cls_score."):
        return torch.cat([tensor[1:], tensor[:1]])
    if name.startswith("box_predictor.bbox_pred.") and tensor.shape[0] > 4:
        return tensor[4:]
    if name.startswith("mask_head.predictor.") and tensor.shape[0] > 1:
        return tensor[1:]
    return tensor
