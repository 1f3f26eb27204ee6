"""Recognition of torchvision's detectors by their state dicts."""

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from detectory.compat._pytorch_resnet import resnet_depth
from detectory.core.checkpoint.torchvision_names import resnet_name
from detectory.core.suggestions import nearest

from .names import our_names

#: Parameters that only torchvision's detectors have, one for each type of backbone.
MARKERS = (
    "backbone.body.conv1.weight",
    "backbone.body.0.0.weight",
    "backbone.scale_weight",
    "backbone.features.0.0.0.weight",
)

#: Anchors per cell of a RetinaNet.
_RETINANET_ANCHORS = 9

#: Models that torchvision publishes with frozen batch norms without epsilon.
_WITHOUT_EPSILON = (
    "fasterrcnn_resnet50_fpn",
    "maskrcnn_resnet50_fpn",
    "keypointrcnn_resnet50_fpn",
    "retinanet_resnet50_fpn",
)

#: The ResNets by depth, groups and channels of the 3×3 convolutions in the first stage.
_RESNETS = {
    (18, 1, 64): "resnet18",
    (34, 1, 64): "resnet34",
    (50, 1, 64): "resnet50",
    (101, 1, 64): "resnet101",
    (152, 1, 64): "resnet152",
    (50, 32, 128): "resnext50_32x4d",
    (101, 32, 256): "resnext101_32x8d",
    (101, 64, 256): "resnext101_64x4d",
    (50, 1, 128): "wide_resnet50_2",
    (101, 1, 128): "wide_resnet101_2",
}

#: The 1×1 convolution after the blocks of SSDLite's MobileNetV3, and its input channels without a reduced tail.
SSDLITE_LAST, FULL_TAIL = "backbone.features.1.3.0.weight", 160

#: Index of the block of MobileNetV3 that SSDLite splits.
_SPLIT_BLOCK = 13

#: Classes of the detectors that can be built on another ResNet, by their builders.
_CLASSES = {
    "fasterrcnn_resnet50_fpn": "FasterRCNN",
    "maskrcnn_resnet50_fpn": "MaskRCNN",
    "keypointrcnn_resnet50_fpn": "KeypointRCNN",
    "retinanet_resnet50_fpn": "RetinaNet",
    "fcos_resnet50_fpn": "FCOS",
}

#: Entries that only one architecture has, and its builder.
_MARKERS = (
    ("backbone.scale_weight", "ssd300_vgg16"),
    ("backbone.features.0.0.0.weight", "ssdlite320_mobilenet_v3_large"),
    ("head.regression_head.bbox_ctrness.weight", "fcos_resnet50_fpn"),
    ("head.classification_head.conv.0.1.weight", "retinanet_resnet50_fpn_v2"),
    ("head.classification_head.cls_logits.weight", "retinanet_resnet50_fpn"),
)


def builder_name(state: Mapping[str, Tensor]) -> str:
    """Return the name of the function in `torchvision.models.detection` that builds the model of a state dict.

    Raises:
        ValueError: If the state dict does not belong to a detector of torchvision.
    """
    for marker, name in _MARKERS:
        if marker in state:
            return name
    if "roi_heads.box_predictor.cls_score.weight" not in state:
        raise ValueError("model_of_state_dict: the state dict does not belong to a detector of torchvision")
    if "backbone.body.0.0.weight" in state:
        return "fasterrcnn_mobilenet_v3_large_fpn"
    version = "_v2" if "roi_heads.box_head.0.0.weight" in state else ""
    task = "fasterrcnn"
    if "roi_heads.mask_predictor.mask_fcn_logits.weight" in state:
        task = "maskrcnn"
    if "roi_heads.keypoint_predictor.kps_score_lowres.weight" in state:
        task = "keypointrcnn"
    return f"{task}_resnet50_fpn{version}"


def model_of_state_dict(
    state: Mapping[str, Tensor], name: str | None = None, frozen_eps: float | None = None
) -> nn.Module:
    """Build the torchvision detector of a state dict with torchvision's default settings, without its weights.

    Args:
        state: State dict of a detector in `torchvision.models.detection`, or of one on another ResNet or ResNeXt.
        name: Name of the builder. By default found by the parameter names; both Faster R-CNNs on MobileNetV3 have the
            same names, and `fasterrcnn_mobilenet_v3_large_fpn` is the default.
        frozen_eps: Epsilon of frozen batch norms. By default 0 for the first versions of Faster, Mask and Keypoint
            R-CNN and RetinaNet, as in the published models, and 1e-5 for the others.

    Returns:
        The model in evaluation mode, with tensors on the meta device.

    Raises:
        ImportError: If torchvision is not installed.
        ValueError: If the state dict belongs to another model, or the builder is unknown.
    """
    found = builder_name(state)
    chosen = found if name is None else name
    builders = _builders()
    if chosen not in builders:
        raise ValueError(f"model_of_state_dict: unknown model {chosen!r}; {nearest(chosen, builders)}")
    with torch.device("meta"):
        model = build_detector(chosen, _settings(chosen, state), _resnet(state), state)
    _check(chosen, model.state_dict(), state)
    if not any(key.endswith("num_batches_tracked") for key in state):
        eps = (0.0 if chosen in _WITHOUT_EPSILON else 1e-5) if frozen_eps is None else frozen_eps
        _freeze(model, eps)
    return model.eval()


def build_detector(
    name: str, settings: Mapping[str, Any], resnet: str | None, state: Mapping[str, Tensor]
) -> nn.Module:
    """Build a torchvision detector with random weights.

    Args:
        name: Name of its builder.
        settings: Keyword arguments of the builder, with `num_classes`.
        resnet: Name of the ResNet in `torchvision.models`; `None` if the model has none.
        state: The weights, for the input of RetinaNet's additional levels and the tail of SSDLite's MobileNetV3.
    """
    from torchvision.models import detection
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
    from torchvision.ops.feature_pyramid_network import LastLevelP6P7

    builder: Any = getattr(detection, name)
    if resnet in (None, "resnet50"):
        model = builder(weights=None, weights_backbone=None, **settings)
        if name.startswith("ssdlite") and SSDLITE_LAST in state and state[SSDLITE_LAST].shape[1] == FULL_TAIL:
            _use_full_tail(model, settings["num_classes"])
        return model
    if name not in _CLASSES:
        raise ValueError(f"model_of_state_dict: a {name} must have a ResNet-50, got {resnet}")
    arguments: dict[str, Any] = {"weights": None, "norm_layer": nn.BatchNorm2d, "trainable_layers": 5}
    if name.startswith(("retinanet", "fcos")):
        channels = state["backbone.fpn.extra_blocks.p6.weight"].shape[1]
        arguments |= {"returned_layers": [2, 3, 4], "extra_blocks": LastLevelP6P7(channels, 256)}
    backbone = resnet_fpn_backbone(backbone_name=str(resnet), **arguments)
    return getattr(detection, _CLASSES[name])(backbone, **settings)


def _use_full_tail(model: Any, num_classes: int) -> None:
    """Replace the MobileNetV3 of an SSDLite by the one that torchvision uses with ImageNet weights."""
    from torchvision.models import mobilenet_v3_large
    from torchvision.models.detection import ssdlite

    norm = model.head.classification_head.module_list[0][0][1]
    layer = functools.partial(nn.BatchNorm2d, eps=norm.eps, momentum=norm.momentum)
    blocks = mobilenet_v3_large(weights=None, norm_layer=layer).features
    model.backbone = ssdlite.SSDLiteFeatureExtractorMobileNet(blocks, _SPLIT_BLOCK, layer)
    levels = [level[1] for level in model.head.regression_head.module_list]
    channels = [level.in_channels for level in levels]
    channels[1] = blocks[-1][0].out_channels
    anchors = [level.out_channels // 4 for level in levels]
    model.head = ssdlite.SSDLiteHead(channels, anchors, num_classes, layer)


def _builders() -> list[str]:
    """Return the names of all builders of torchvision's detectors."""
    try:
        from torchvision.models import detection, list_models
    except ModuleNotFoundError as error:
        raise ImportError("checkpoints of torchvision need torchvision: pip install torchvision") from error
    return list_models(detection)


def _settings(name: str, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of a builder that determine the shapes of the parameters."""
    if name.startswith("ssd"):
        key = "0" if name == "ssd300_vgg16" else "0.1"
        anchors = state[f"head.regression_head.module_list.{key}.weight"].shape[0] // 4
        return {"num_classes": state[f"head.classification_head.module_list.{key}.weight"].shape[0] // anchors}
    if name.startswith(("retinanet", "fcos")):
        anchors = 1 if name.startswith("fcos") else _RETINANET_ANCHORS
        return {"num_classes": state["head.classification_head.cls_logits.weight"].shape[0] // anchors}
    settings = {"num_classes": len(state["roi_heads.box_predictor.cls_score.weight"])}
    keypoints = state.get("roi_heads.keypoint_predictor.kps_score_lowres.weight")
    return settings if keypoints is None else settings | {"num_keypoints": keypoints.shape[1]}


def _resnet(state: Mapping[str, Tensor]) -> str | None:
    """Return the name of the ResNet of a state dict, `None` without a ResNet."""
    if "backbone.body.layer1.0.conv2.weight" not in state:
        return None
    prefix = "backbone.body."
    ours = [resnet_name(key.removeprefix(prefix)) for key in state if key.startswith(prefix)]
    return resnet_name_of(resnet_depth(key for key in ours if key), state["backbone.body.layer1.0.conv2.weight"])


def resnet_name_of(depth: int, weight: Tensor) -> str:
    """Return the name of a ResNet in `torchvision.models`.

    Args:
        depth: Number of layers.
        weight: Weight of the 3×3 convolution of the first block.

    Raises:
        ValueError: If torchvision has no such ResNet.
    """
    variant = (depth, weight.shape[0] // weight.shape[1], weight.shape[0])
    if variant not in _RESNETS:
        raise ValueError(
            f"model_of_state_dict: no ResNet of torchvision has {variant[0]} layers, {variant[1]} groups and"
            f" {variant[2]} channels in the first stage"
        )
    return _RESNETS[variant]


def _check(name: str, own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Raise a ValueError if names or shapes of a state dict differ from those of the model `name`."""
    expected = {ours: own[key].shape for key, ours in our_names(own).items()}
    found = {ours: state[key].shape for key, ours in our_names(state).items()}
    counters = ".num_batches_tracked"
    differing = [key for key in expected if key not in found and not key.endswith(counters)]
    differing += [key for key in found if key not in expected and not key.endswith(counters)]
    if differing:
        raise ValueError(f"model_of_state_dict: not a {name} of torchvision: {differing[0]!r} differs")
    for key, shape in found.items():
        if key in expected and shape != expected[key]:
            raise ValueError(
                f"model_of_state_dict: not a {name} of torchvision: {key!r} has shape {tuple(shape)}"
                f" instead of {tuple(expected[key])}"
            )


def _freeze(model: nn.Module, eps: float) -> None:
    """Replace all batch norms of a model by frozen ones."""
    from torchvision.ops.misc import FrozenBatchNorm2d

    frozen = functools.partial(FrozenBatchNorm2d, eps=eps)
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, frozen(child.num_features))
