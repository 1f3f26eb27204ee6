"""Configs of torchvision's Faster, Mask and Keypoint R-CNN."""

from typing import Any

from omegaconf import DictConfig, open_dict

from detectory import zoo
from detectory.core.config import LazyCall
from detectory.modeling.backbone import MobileNetV3
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.poolers import ROIPooler

from .anchors import TorchvisionAnchorGenerator
from .backbones import norm_spec, set_pixels, set_resnet
from .parts import SameStrideFPN, TorchvisionBoxOutput, TorchvisionROIHeads

_RECIPES = {
    "KeypointRCNN": "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x",
    "MaskRCNN": "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x",
    "FasterRCNN": "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x",
}

#: Threshold between the quadratic and the linear part of torchvision's box losses.
_SMOOTH_L1_BETA = 1 / 9

#: Minimum width and height of torchvision's proposals in pixels.
_MIN_PROPOSAL = 1e-3


def two_stage_config(source: Any) -> DictConfig:
    """Return the config of a model equivalent to a `FasterRCNN`, `MaskRCNN` or `KeypointRCNN` of torchvision."""
    name = next(name for name in _RECIPES if any(name == base.__name__ for base in type(source).__mro__))
    config = zoo.get_config(_RECIPES[name]).model
    with open_dict(config):
        set_pixels(config, source)
        if hasattr(source.backbone.body, "conv1"):
            set_resnet(config, source)
        else:
            _set_mobilenet(config, source)
        _set_proposals(config.proposal_generator, source.rpn)
        _set_heads(config.roi_heads, source.roi_heads, name)
    return config


def _set_mobilenet(config: DictConfig, source: Any) -> None:
    """Replace the backbone by MobileNetV3 with a pyramid of two levels of the same stride."""
    config.backbone = LazyCall(SameStrideFPN)(
        bottom_up=LazyCall(MobileNetV3)(out_features=["block13", "last"], norm=norm_spec(source.backbone.body["0"][1])),
        out_channels=source.backbone.out_channels,
    )
    config.proposal_generator.in_features = ["p0", "p1", "pool"]
    heads = config.roi_heads
    # Both levels have the same stride, and torchvision pools all regions from the first one.
    heads.box_in_features = ["p0"]
    heads.box_pooler = LazyCall(ROIPooler)(output_size=7, scales=[1 / 32], sampling_ratio=0, pooler_type="ROIAlign")


def _set_proposals(config: DictConfig, source: Any) -> None:
    anchors = source.anchor_generator
    config.anchor_generator = LazyCall(TorchvisionAnchorGenerator)(
        sizes=[list(map(float, sizes)) for sizes in anchors.sizes],
        aspect_ratios=[list(map(float, ratios)) for ratios in anchors.aspect_ratios],
        strides=[32, 32, 64] if len(anchors.sizes) == 3 else [4, 8, 16, 32, 64],
        offset=0.0,
    )
    config.head.num_anchors = source.head.cls_logits.out_channels
    config.head.conv_dims = [-1] * len(source.head.conv)
    config.pre_nms_topk = [source._pre_nms_top_n["training"], source._pre_nms_top_n["testing"]]
    config.post_nms_topk = [source._post_nms_top_n["training"], source._post_nms_top_n["testing"]]
    config.nms_thresh = source.nms_thresh
    config.score_thresh = source.score_thresh
    config.min_box_size = _MIN_PROPOSAL
    config.smooth_l1_beta = _SMOOTH_L1_BETA


def _set_heads(config: DictConfig, source: Any, name: str) -> None:
    config["_target_"] = TorchvisionROIHeads
    config.num_classes = source.box_predictor.cls_score.out_features - 1
    predictor = config.box_predictor
    predictor["_target_"] = TorchvisionBoxOutput
    predictor.test_score_thresh = source.score_thresh
    predictor.test_nms_thresh = source.nms_thresh
    predictor.test_topk_per_image = source.detections_per_img
    predictor.smooth_l1_beta = _SMOOTH_L1_BETA
    predictor.input_shape = LazyCall(ShapeSpec)(channels=source.box_predictor.cls_score.in_features)
    if not hasattr(source.box_head, "fc6"):
        convolutions = [layer[0] for layer in source.box_head if hasattr(layer, "__getitem__")]
        linear = [layer for layer in source.box_head if hasattr(layer, "out_features")]
        config.box_head.conv_dims = [layer.out_channels for layer in convolutions]
        config.box_head.fc_dims = [layer.out_features for layer in linear]
        config.box_head.conv_norm = "BN" if any(layer.bias is None for layer in convolutions) else ""
    if name == "FasterRCNN":
        for part in ("mask_in_features", "mask_pooler", "mask_head"):
            del config[part]
    if name == "MaskRCNN" and len(source.mask_head[0]) == 3:  # convolution, norm, activation
        config.mask_head.conv_norm = "BN"
    if name == "KeypointRCNN":
        config.keypoint_head.num_keypoints = source.keypoint_predictor.kps_score_lowres.out_channels
    for part in ("box_pooler", "mask_pooler", "keypoint_pooler"):
        if part in config:
            config[part].pooler_type = "ROIAlign"
            config[part].sampling_ratio = getattr(source, part.replace("pooler", "roi_pool")).sampling_ratio
