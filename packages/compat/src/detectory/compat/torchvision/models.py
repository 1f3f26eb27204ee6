"""Detectory models equivalent to torchvision's detectors."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from omegaconf import DictConfig, open_dict
from torch import Tensor, nn

from detectory import zoo
from detectory.compat._pytorch_resnet import resnet_depth, split_backbone
from detectory.core.config import LazyCall, instantiate
from detectory.modeling.layers import FrozenBatchNorm2d

from .anchors import TorchvisionAnchorGenerator
from .weights import convert_state_dict

_DEFAULT_EPSILON = 1e-5

#: Anchors per cell of a RetinaNet.
_RETINANET_ANCHORS = 9

_RECIPES = {
    "KeypointRCNN": "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x",
    "MaskRCNN": "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x",
    "FasterRCNN": "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x",
    "RetinaNet": "COCO-Detection/retinanet_R_50_FPN_1x",
}


def from_torchvision(model: nn.Module) -> nn.Module:
    """Build a detector with the same weights and outputs as a torchvision detector.

    Inputs follow our conventions: RGB images in [0, 255], not resized. Class ids start at 0: torchvision's class 1 is
    class 0, except for RetinaNet, which has no background class and keeps its ids. RetinaNet's boxes are clipped to the
    image after NMS instead of before, so NMS may keep a different box of two that overlap at the image border.

    Args:
        model: A `FasterRCNN`, `MaskRCNN`, `KeypointRCNN` or `RetinaNet` of torchvision with a ResNet-FPN and the
            anchors of `fasterrcnn_resnet50_fpn`, `maskrcnn_resnet50_fpn`, `keypointrcnn_resnet50_fpn` or
            `retinanet_resnet50_fpn`. Its thresholds and limits are used.

    Returns:
        A `GeneralizedRCNN` or `RetinaNet` in evaluation mode.

    Raises:
        TypeError: If the model is of another class.
        ValueError: If the model is of a supported class but has other components.
    """
    config = torchvision_config(model)
    state = convert_state_dict(model.state_dict())
    converted = instantiate(config)
    missing, unexpected = converted.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(
            f"from_torchvision: {type(model).__name__} differs from the supported architecture:"
            f" missing {missing[:3]}, unexpected {unexpected[:3]}"
        )
    return converted.eval()


def torchvision_config(model: nn.Module) -> DictConfig:
    """Return the config of the model that `from_torchvision` builds.

    Args:
        model: As for `from_torchvision`.

    Raises:
        TypeError: If the model is of another class.
    """
    source: Any = model
    class_name = type(source).__name__
    if class_name not in _RECIPES:
        raise TypeError(f"from_torchvision: model must be one of {', '.join(_RECIPES)}, got {class_name}")
    config = zoo.get_config(_RECIPES[class_name]).model
    with open_dict(config):
        _set_backbone(config, source, resnet_depth(split_backbone(source.state_dict(), "backbone.body.")[0]))
        if class_name == "RetinaNet":
            _set_retinanet(config, source)
        else:
            _set_two_stages(config, source, class_name)
    return config


def model_of_state_dict(state: Mapping[str, Tensor]) -> nn.Module:
    """Build the torchvision detector of a state dict, with torchvision's default settings, and load the weights.

    Args:
        state: State dict of `fasterrcnn_resnet50_fpn`, `maskrcnn_resnet50_fpn`, `keypointrcnn_resnet50_fpn` or
            `retinanet_resnet50_fpn`.

    Raises:
        ImportError: If torchvision is not installed.
        ValueError: If the state dict belongs to another model.
    """
    try:
        from torchvision.models import detection
    except ModuleNotFoundError as error:
        raise ImportError("checkpoints of torchvision need torchvision: pip install torchvision") from error
    settings: dict[str, Any] = {"weights": None, "weights_backbone": None}
    if "head.classification_head.cls_logits.weight" in state:
        builder = detection.retinanet_resnet50_fpn
        settings["num_classes"] = len(state["head.classification_head.cls_logits.weight"]) // _RETINANET_ANCHORS
    else:
        builder = detection.fasterrcnn_resnet50_fpn
        if "roi_heads.mask_predictor.mask_fcn_logits.weight" in state:
            builder = detection.maskrcnn_resnet50_fpn
        if "roi_heads.keypoint_predictor.kps_score_lowres.weight" in state:
            builder = detection.keypointrcnn_resnet50_fpn
            settings["num_keypoints"] = state["roi_heads.keypoint_predictor.kps_score_lowres.weight"].shape[1]
        scores = state.get("roi_heads.box_predictor.cls_score.weight")
        if scores is None:
            raise ValueError("model_of_state_dict: the state dict does not belong to a detector of torchvision")
        settings["num_classes"] = len(scores)
    model = builder(**settings)
    own = [name for name in model.state_dict() if not name.endswith("num_batches_tracked")]
    differing = [name for name in own if name not in state] + [
        name for name in state if name not in own and not name.endswith("num_batches_tracked")
    ]
    if differing:
        raise ValueError(f"model_of_state_dict: not a {builder.__name__} of torchvision: {differing[0]!r} differs")
    model.load_state_dict(dict(state), strict=False)
    if not any(name.endswith("num_batches_tracked") for name in state):
        # Published models have frozen batch norms without epsilon.
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0
    return model


def frozen_batch_norm(eps: float) -> Callable[[int], nn.Module]:
    """Return a function that builds a frozen batch norm of a number of channels, for configs."""
    return functools.partial(FrozenBatchNorm2d, eps=eps)


def _set_epsilon(bottom_up: DictConfig, eps: float) -> None:
    if eps != _DEFAULT_EPSILON:
        bottom_up.stem.norm = bottom_up.stages.norm = LazyCall(frozen_batch_norm)(eps=eps)


def _set_backbone(config: DictConfig, source: Any, depth: int) -> None:
    stages = config.backbone.bottom_up.stages
    stages.depth, stages.stride_in_1x1 = depth, False
    _set_epsilon(config.backbone.bottom_up, source.backbone.body.bn1.eps)
    config.pixel_mean = [255 * value for value in source.transform.image_mean]
    config.pixel_std = [255 * value for value in source.transform.image_std]
    config.input_format = "RGB"


def _set_two_stages(config: DictConfig, source: Any, class_name: str) -> None:
    heads, proposals = config.roi_heads, config.proposal_generator
    proposals.anchor_generator._target_ = TorchvisionAnchorGenerator
    theirs = source.rpn
    proposals.pre_nms_topk = [theirs._pre_nms_top_n["training"], theirs._pre_nms_top_n["testing"]]
    proposals.post_nms_topk = [theirs._post_nms_top_n["training"], theirs._post_nms_top_n["testing"]]
    proposals.nms_thresh = theirs.nms_thresh
    heads.num_classes = source.roi_heads.box_predictor.cls_score.out_features - 1
    heads.box_predictor.test_score_thresh = source.roi_heads.score_thresh
    heads.box_predictor.test_nms_thresh = source.roi_heads.nms_thresh
    heads.box_predictor.test_topk_per_image = source.roi_heads.detections_per_img
    if class_name == "FasterRCNN":
        for part in ("mask_in_features", "mask_pooler", "mask_head"):
            del heads[part]
    if class_name == "KeypointRCNN":
        heads.keypoint_head.num_keypoints = source.roi_heads.keypoint_predictor.kps_score_lowres.out_channels
    for name in ("box_pooler", "mask_pooler", "keypoint_pooler"):
        if name in heads:
            heads[name].pooler_type = "ROIAlign"
            heads[name].sampling_ratio = getattr(source.roi_heads, name.replace("pooler", "roi_pool")).sampling_ratio


def _set_retinanet(config: DictConfig, source: Any) -> None:
    classes = source.head.classification_head.num_classes
    config.num_classes = classes
    # torchvision truncates sizes to integers.
    sizes = [[float(int(x * 2 ** (k / 3))) for k in range(3)] for x in (32, 64, 128, 256, 512)]
    config.anchor_generator = LazyCall(TorchvisionAnchorGenerator)(
        sizes=sizes, aspect_ratios=[0.5, 1.0, 2.0], strides=[8, 16, 32, 64, 128], offset=0.0
    )
    block = source.backbone.fpn.extra_blocks
    config.backbone.top_block.in_channels = block.p6.in_channels
    config.backbone.top_block.in_feature = "p5" if block.use_P5 else "res5"
    config.test_score_thresh = source.score_thresh
    config.test_nms_thresh = source.nms_thresh
    config.test_topk_candidates = source.topk_candidates
    config.max_detections_per_image = source.detections_per_img
