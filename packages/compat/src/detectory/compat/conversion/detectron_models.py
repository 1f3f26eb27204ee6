"""Configs of models with Detectron's architectures: R-CNNs with FPN or C4, RetinaNet and RPN."""

import re
from collections.abc import Mapping
from dataclasses import replace

import torch
from omegaconf import DictConfig, open_dict
from torch import Tensor

from detectory import zoo
from detectory.compat._pytorch_resnet import resnet_depth
from detectory.core.checkpoint import match_state_dict
from detectory.core.config import instantiate
from detectory.zoo.parts.resnet import R_50, ResNetVariant, use_resnet

#: Pixel mean of Detectron's models, BGR.
PIXEL_MEAN = [102.9801, 115.9465, 122.7717]

#: Entries of batch norms that are folded into the weights of a checkpoint, or not saved.
_OPTIONAL = ("num_batches_tracked", "norm.bias", "running_mean", "running_var")

#: Samples per bin and side of the region pooling on a feature pyramid; on C4 their number depends on the region.
_SAMPLING_RATIO = 2


def detectron_model(
    state: Mapping[str, Tensor], function: str, norm: str = "FrozenBN"
) -> tuple[str, DictConfig, dict[str, Tensor]]:
    """Return the architecture, the config and the matched weights of a model.

    The standard deviation of the pixels is 1: the first convolutions of these models include it.

    Args:
        state: Tensors by our names or suffixes of them.
        function: Name of the caller, for error messages.
        norm: Norm of the ResNet, `"FrozenBN"` or `"GN"`.

    Raises:
        ValueError: If the architecture is not known, or entries are missing.
    """
    architecture, config = _architecture(state)
    variant = replace(_resnet_variant(state), norm=norm)
    if norm == "GN":
        variant = replace(variant, stride_in_1x1=False)
    with open_dict(config):
        use_resnet(config, variant)
        config.pixel_mean, config.pixel_std = PIXEL_MEAN, [1.0, 1.0, 1.0]
        _set_parts(config, state)
        _set_numbers(config, state)
    with torch.device("meta"):
        own = instantiate(config).state_dict()
    matched = match_state_dict(own, state, caffe2_conversion=False)
    missing = [name for name in own if name not in matched and not name.endswith(_OPTIONAL)]
    if missing:
        raise ValueError(f"{function}: {architecture} needs {missing[:3]}, which the checkpoint does not contain")
    unused = [name for name in matched if name not in own and not _is_superfluous(name)]
    if unused:
        raise ValueError(f"{function}: {unused[0]!r} does not belong to a {architecture}")
    return architecture, config, {name: tensor for name, tensor in matched.items() if name in own}


def _is_superfluous(name: str) -> bool:
    """Whether an entry is a part of the ImageNet classifier, or the zero bias of the stem."""
    return name.startswith(("fc1000", "stem.fc")) or name.endswith("conv1.bias")


def _has(state: Mapping[str, Tensor], part: str) -> bool:
    return any(part in name for name in state)


def _architecture(state: Mapping[str, Tensor]) -> tuple[str, DictConfig]:
    """Return the name and the config of the model whose heads a state dict contains."""
    features = "FPN" if _has(state, "fpn_lateral") else "C4"
    if _has(state, "cls_subnet"):
        return "RetinaNet", zoo.get_config("COCO-Detection/retinanet_R_50_FPN_1x").model
    if not _has(state, "box_predictor"):
        return f"RPN ({features})", zoo.get_config(f"COCO-Detection/rpn_R_50_{features}_1x").model
    if _has(state, "keypoint_head"):
        return "Keypoint R-CNN (FPN)", zoo.get_config("COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x").model
    if _has(state, "mask_head"):
        name = f"COCO-InstanceSegmentation/mask_rcnn_R_50_{features}_1x"
        return f"Mask R-CNN ({features})", zoo.get_config(name).model
    return f"Faster R-CNN ({features})", zoo.get_config(f"COCO-Detection/faster_rcnn_R_50_{features}_1x").model


def _resnet_variant(state: Mapping[str, Tensor]) -> ResNetVariant:
    depth = resnet_depth(name.removeprefix("backbone.bottom_up.").removeprefix("backbone.") for name in state)
    weight = next(tensor for name, tensor in state.items() if name.endswith("res2.0.conv2.weight"))
    channels, per_group = weight.shape[:2]
    groups = channels // per_group
    if groups == 1:
        return replace(R_50, depth=depth, weights="")
    return replace(
        R_50,
        depth=depth,
        weights="",
        num_groups=groups,
        width_per_group=per_group,
        stride_in_1x1=False,
    )


def _set_parts(config: DictConfig, state: Mapping[str, Tensor]) -> None:
    """Set the norms of the pyramid and the heads, the layers of the box head, and the input of additional levels."""
    if _has(state, "fpn_lateral"):
        if _has(state, "fpn_lateral5.norm."):
            config.backbone.norm = "GN"
        heads = config.get("roi_heads", {})
        for pooler in ("box_pooler", "mask_pooler", "keypoint_pooler"):
            if pooler in heads:
                heads[pooler].sampling_ratio = _SAMPLING_RATIO
    convolutions = [tensor for name, tensor in state.items() if re.search(r"box_head\.conv\d\.weight$", name)]
    if convolutions:
        head = config.roi_heads.box_head
        head.conv_dims = [len(tensor) for tensor in convolutions]
        head.fc_dims = [len(t) for name, t in state.items() if re.search(r"box_head\.fc\d\.weight$", name)]
        head.conv_norm = "GN" if _has(state, "box_head.conv1.norm.") else ""
    if _has(state, "mask_head.mask_fcn1.norm."):
        config.roi_heads.mask_head.conv_norm = "GN"
    p6 = next((tensor for name, tensor in state.items() if name.endswith("top_block.p6.weight")), None)
    if p6 is not None:
        config.backbone.top_block.in_channels = p6.shape[1]
        config.backbone.top_block.in_feature = "p5" if p6.shape[1] == config.backbone.out_channels else "res5"


def _set_numbers(config: DictConfig, state: Mapping[str, Tensor]) -> None:
    """Set the numbers of classes and keypoints."""
    for name, tensor in state.items():
        if name.endswith("box_predictor.cls_score.weight"):
            config.roi_heads.num_classes = tensor.shape[0] - 1
        if name.endswith("head.cls_score.weight") and "roi_heads" not in config:
            config.num_classes = tensor.shape[0] // config.head.num_anchors
        if name.endswith("keypoint_head.score_lowres.weight"):
            config.roi_heads.keypoint_head.num_keypoints = tensor.shape[1]
