"""Weights of Detectory models for torchvision."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from detectory.compat._pytorch_resnet import resnet_depth
from detectory.compat.differences import differences
from detectory.core.config import instantiate

from .models import torchvision_config
from .names import our_names
from .recognition import FULL_TAIL, SSDLITE_LAST, build_detector, resnet_name_of
from .weights import revert_state_dict

_MOBILENET = "mobilenet_v3_large"
_VERSION_2 = "roi_heads.box_head.conv1.norm.weight"

#: Number of proposals of `fasterrcnn_mobilenet_v3_large_320_fpn`.
_SMALL_PROPOSALS = 150


@dataclass(frozen=True)
class TorchvisionCheckpoint:
    """Weights for torchvision.

    Args:
        state: The state dict, which the model of `builder` loads strictly.
        builder: Name of a function in `torchvision.models.detection`, or of a class if `backbone` is set.
        backbone: Name of the ResNet for `resnet_fpn_backbone`, or `"mobilenet_v3_large"` for an SSDLite with a full
            tail; `None` for the default backbone of the builder.
        arguments: Keyword arguments of the builder.
        differences: Settings of the model that torchvision does not have, one sentence each.
    """

    state: dict[str, Tensor]
    builder: str
    backbone: str | None
    arguments: dict[str, Any]
    differences: list[str]

    def describe(self, path: str) -> str:
        """Return Python code that builds the model and loads the file `path`."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        builder = f"torchvision.models.detection.{self.builder}"
        if self.backbone is None:
            model = f"{builder}(weights=None, weights_backbone=None, {arguments})"
        elif self.backbone == _MOBILENET:
            # torchvision reduces the tail if the backbone has no ImageNet weights.
            model = f"{builder}(weights=None, weights_backbone='DEFAULT', {arguments})"
        else:
            model = f"{builder} with resnet_fpn_backbone(backbone_name={self.backbone!r}) and {arguments}"
        return f"model = {model}\nmodel.load_state_dict(torch.load({path!r}))"


def to_torchvision(model: nn.Module, resize: Any = None) -> TorchvisionCheckpoint:
    """Return the weights of a model for the equivalent detector of torchvision.

    The epsilon of frozen batch norms becomes part of the variances, and a stem for BGR images one for RGB images.

    Args:
        model: A model with the architecture of a detector of torchvision.
        resize: The augmentation that resizes images, for the sizes of torchvision's own resizing.

    Raises:
        ImportError: If torchvision is not installed.
        ValueError: If torchvision does not have the architecture.
    """
    source: Any = model
    state = dict(source.state_dict())
    builder = _builder(source, state)
    backbone = _resnet(source, state)
    arguments = _arguments(source, state, builder, resize)
    template = build_detector(builder, arguments, backbone, _variant_entries(state))
    if source.input_format == "BGR":
        stem = "backbone.bottom_up.stem.conv1.weight"
        if stem not in state:
            raise ValueError("to_torchvision: only models on a ResNet can have BGR images")
        state[stem] = state[stem].flip(1)
    expected = template.state_dict()
    reverted = revert_state_dict(state, expected)
    _adjust_epsilon(reverted, source, template)
    with torch.device("meta"):
        equivalent = instantiate(torchvision_config(template))
    if builder.startswith("ssdlite") and state["backbone.bottom_up.last.weight"].shape[1] == FULL_TAIL:
        backbone = _MOBILENET
    return TorchvisionCheckpoint(
        reverted,
        builder,
        None if backbone in (None, "resnet50") else backbone,
        arguments,
        differences(source, equivalent, "torchvision"),
    )


def _builder(model: Any, state: Mapping[str, Tensor]) -> str:
    """Return the name of torchvision's function for an architecture."""
    if "backbone.l2_norm.weight" in state:
        return "ssd300_vgg16"
    if "backbone.extra_layers.0.0.norm.weight" in state:
        return "ssdlite320_mobilenet_v3_large"
    if "head.ctrness.weight" in state:
        return "fcos_resnet50_fpn"
    if "head.cls_score.weight" in state:
        has_norm = state.get("head.cls_subnet.1.weight", state["head.cls_score.weight"]).dim() == 1
        return "retinanet_resnet50_fpn" + ("_v2" if has_norm else "")
    if "roi_heads.box_predictor.cls_score.weight" not in state or "backbone.bottom_up.stem.conv1.weight" not in state:
        if "backbone.laterals.0.weight" not in state:
            raise ValueError(f"to_torchvision: torchvision has no detector like this {type(model).__name__}")
        small = model.proposal_generator.post_nms_topk[False] == _SMALL_PROPOSALS
        return "fasterrcnn_mobilenet_v3_large_320_fpn" if small else "fasterrcnn_mobilenet_v3_large_fpn"
    task = "fasterrcnn"
    if any(name.startswith("roi_heads.mask_head.") for name in state):
        task = "maskrcnn"
    if any(name.startswith("roi_heads.keypoint_head.") for name in state):
        task = "keypointrcnn"
    return f"{task}_resnet50_fpn" + ("_v2" if _VERSION_2 in state else "")


def _resnet(model: Any, state: Mapping[str, Tensor]) -> str | None:
    """Return the name of torchvision's ResNet, `None` for other backbones."""
    weight = state.get("backbone.bottom_up.res2.0.conv2.weight")
    if weight is None:
        return None
    first = model.backbone.bottom_up.res3[0].conv1
    if first.stride[0] > 1 and first.kernel_size[0] == 1:
        raise ValueError(
            "to_torchvision: the ResNet has its strides in the 1×1 convolutions (stride_in_1x1=True), torchvision's"
            " ResNets in the 3×3 convolutions"
        )
    return resnet_name_of(resnet_depth(state), weight)


def _variant_entries(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the entries, by torchvision's names, that determine the variant of a model of `build_detector`."""
    names = {
        "backbone.top_block.p6.weight": "backbone.fpn.extra_blocks.p6.weight",
        "backbone.bottom_up.last.weight": SSDLITE_LAST,
    }
    return {theirs: state[ours] for ours, theirs in names.items() if ours in state}


def _arguments(model: Any, state: Mapping[str, Tensor], builder: str, resize: Any) -> dict[str, Any]:
    """Return the arguments of torchvision's function with the settings of a model."""
    heads = getattr(model, "roi_heads", None)
    classes = heads.num_classes if heads is not None else model.num_classes
    mean, std = model.pixel_mean.flatten().tolist(), model.pixel_std.flatten().tolist()
    if model.input_format == "BGR":
        mean, std = mean[::-1], std[::-1]
    arguments: dict[str, Any] = {
        "num_classes": classes + (heads is not None or builder.startswith("ssd")),
        "image_mean": [round(x / 255, 6) for x in mean],
        "image_std": [round(x / 255, 6) for x in std],
    }
    keypoints = state.get("roi_heads.keypoint_head.score_lowres.weight")
    if keypoints is not None:
        arguments["num_keypoints"] = keypoints.shape[1]
    sizes = _sizes(resize)
    if sizes is not None and not builder.startswith("ssd"):
        arguments["min_size"], arguments["max_size"] = sizes
    if heads is None:
        return arguments | {
            "score_thresh": model.test_score_thresh,
            "nms_thresh": model.test_nms_thresh,
            "topk_candidates": model.test_topk_candidates,
            "detections_per_img": model.max_detections_per_image,
        }
    proposals, predictor = model.proposal_generator, heads.box_predictor
    return arguments | {
        "rpn_pre_nms_top_n_test": proposals.pre_nms_topk[False],
        "rpn_post_nms_top_n_test": proposals.post_nms_topk[False],
        "rpn_nms_thresh": proposals.nms_thresh,
        "rpn_score_thresh": proposals.score_thresh,
        "box_score_thresh": predictor.test_score_thresh,
        "box_nms_thresh": predictor.test_nms_thresh,
        "box_detections_per_img": predictor.test_topk_per_image,
    }


def _sizes(resize: Any) -> tuple[int, int] | None:
    """Return the shorter and the longest side that an augmentation resizes images to, if it has them."""
    shorter = getattr(resize, "min_size", getattr(resize, "short_edge_length", None))
    longest = getattr(resize, "max_size", None)
    if shorter is None or longest is None:
        return None
    return (shorter if isinstance(shorter, int) else max(shorter)), longest


@torch.no_grad()
def _adjust_epsilon(state: dict[str, Tensor], model: nn.Module, template: nn.Module) -> None:
    """Add the difference of the epsilons of two models to the variances of the batch norms, in place."""
    ours, theirs = dict(model.named_modules()), dict(template.named_modules())
    for name, own in our_names(state).items():
        if name.endswith(".running_var"):
            layer: Any = ours[own.removesuffix(".running_var")]
            target: Any = theirs[name.removesuffix(".running_var")]
            state[name] += layer.eps - target.eps
