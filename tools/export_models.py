"""The models of the export table: real widths, with random weights that detect distinct objects."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from detectory import zoo
from detectory.core.config import instantiate
from detectory.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.modeling.backbone import SSD300_LEVELS, SSDVGG, BasicStem, ResNet
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.detr import DETR, DETRTransformer, SetCriterion, SinePositionEncoding
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.matcher import Matcher
from detectory.modeling.meta_arch import ATSS, GFL, SSD, FCOSHead, GFLHead, SSDAnchorGenerator, SSDHead
from detectory.zoo.recipes.transformers.swin import cascade_mask_rcnn_swin

NUM_CLASSES = 80
STRIDES = (8, 16, 32, 64, 128)
PIXELS = {"pixel_mean": [123.675, 116.28, 103.53], "pixel_std": [58.395, 57.12, 57.375]}
MIN_DETECTIONS = 10
"""Fewer detections in the photos do not show that two models agree."""


def _pyramid_parts() -> dict[str, Any]:
    """Return the backbone of RetinaNet with one square anchor per cell, the common parts of ATSS and GFL."""
    base: Any = zoo.get("COCO-Detection/retinanet_R_50_FPN_1x")
    sizes = [[8.0 * stride] for stride in STRIDES]
    anchors = DefaultAnchorGenerator(sizes=sizes, aspect_ratios=[1.0], strides=list(STRIDES), offset=0.0)
    return {
        "backbone": base.backbone,
        "head_in_features": base.head_in_features,
        "anchor_generator": anchors,
        "num_classes": NUM_CLASSES,
        **PIXELS,
    }


def _head(head_class: type[nn.Module], **settings: Any) -> nn.Module:
    shapes = [ShapeSpec(channels=256, stride=stride) for stride in STRIDES]
    return head_class(input_shape=shapes, num_classes=NUM_CLASSES, conv_dims=[256] * 4, norm="GN", **settings)


def _atss() -> nn.Module:
    transform = Box2BoxTransform([10.0, 10.0, 5.0, 5.0])
    return ATSS(head=_head(FCOSHead, level_scales=True), box2box_transform=transform, **_pyramid_parts())


def _gfl() -> nn.Module:
    head: Any = _head(GFLHead)
    return GFL(head=head, **_pyramid_parts())


def _ssd() -> nn.Module:
    """Return SSD 300 with the anchors for COCO."""
    sides = [int(300 * percentage / 100) for percentage in (7, 15, 33, 51, 69, 87, 105)]
    ratios = [[2], [2, 3], [2, 3], [2, 3], [2], [2]]
    channels = [512, 1024, *(level.channels for level in SSD300_LEVELS)]
    anchors = SSDAnchorGenerator(
        min_sizes=sides[:-1], max_sizes=sides[1:], aspect_ratios=ratios, strides=[8, 16, 32, 64, 100, 300]
    )
    counts = [2 + 2 * len(level) for level in ratios]
    return SSD(
        backbone=SSDVGG(SSD300_LEVELS),
        head=SSDHead(in_channels=channels, num_anchors=counts, num_classes=NUM_CLASSES),
        anchor_generator=anchors,
        box2box_transform=Box2BoxTransform([10.0, 10.0, 5.0, 5.0]),
        anchor_matcher=Matcher([0.5], [0, 1], allow_low_quality_matches=True),
        num_classes=NUM_CLASSES,
        **PIXELS,
    )


def _detr() -> nn.Module:
    stages = ResNet.make_default_stages(50, stride_in_1x1=False, norm="FrozenBN")
    return DETR(
        backbone=ResNet(BasicStem(3, 64, norm="FrozenBN"), stages, out_features=["res5"]),
        position_encoding=SinePositionEncoding(128),
        transformer=DETRTransformer(),
        criterion=SetCriterion(num_classes=NUM_CLASSES),
        num_classes=NUM_CLASSES,
        test_score_thresh=0.05,
        **PIXELS,
    )


def _swin() -> nn.Module:
    config: Any = cascade_mask_rcnn_swin(96, [3, 6, 12, 24])
    config.backbone.bottom_up.depths = [2, 2, 6, 2]
    return instantiate(config)


def _rotated() -> nn.Module:
    cfg = _detectron2_config("COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml")
    cfg.MODEL.PROPOSAL_GENERATOR.NAME = "RRPN"
    cfg.MODEL.ANCHOR_GENERATOR.NAME = "RotatedAnchorGenerator"
    cfg.MODEL.ANCHOR_GENERATOR.ANGLES = [[-60, -30, 0, 30, 60, 90]]
    cfg.MODEL.RPN.BBOX_REG_WEIGHTS = (1, 1, 1, 1, 1)
    cfg.MODEL.ROI_HEADS.NAME = "RROIHeads"
    cfg.MODEL.ROI_BOX_HEAD.POOLER_TYPE = "ROIAlignRotated"
    cfg.MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS = (10, 10, 5, 5, 1)
    return _build(cfg)


def _point_rend() -> nn.Module:
    return _build(_detectron2_config("PointRend/InstanceSegmentation/pointrend_rcnn_R_50_FPN_1x_coco.yaml"))


def _detectron2_config(name: str) -> Any:
    from detectory.compat.detectron2 import model_zoo

    return model_zoo.get_config(name)


def _build(cfg: Any) -> nn.Module:
    from detectory.compat.detectron2.modeling import build_model

    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.WEIGHTS = ""
    return build_model(cfg)


#: The models by label: a recipe of the zoo, or a function. Ordered by importance.
MODELS: dict[str, str | Callable[[], nn.Module]] = {
    "Mask R-CNN R-50-FPN": "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x",
    "RetinaNet R-50-FPN": "COCO-Detection/retinanet_R_50_FPN_1x",
    "Faster R-CNN R-50-FPN": "COCO-Detection/faster_rcnn_R_50_FPN_1x",
    "Keypoint R-CNN R-50-FPN": "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x",
    "Cascade Mask R-CNN R-50-FPN": "Misc/cascade_mask_rcnn_R_50_FPN_1x",
    "Panoptic FPN R-50": "COCO-PanopticSegmentation/panoptic_fpn_R_50_1x",
    "Semantic FPN R-50": "Misc/semantic_R_50_FPN_1x",
    "FCOS R-50-FPN": "COCO-Detection/fcos_R_50_FPN_1x",
    "ATSS R-50-FPN": _atss,
    "GFL R-50-FPN": _gfl,
    "SSD 300 VGG-16": _ssd,
    "DETR R-50": _detr,
    "Mask R-CNN R-50-C4": "COCO-InstanceSegmentation/mask_rcnn_R_50_C4_1x",
    "Mask R-CNN R-50-DC5": "COCO-InstanceSegmentation/mask_rcnn_R_50_DC5_1x",
    "Faster R-CNN R-50-C4": "COCO-Detection/faster_rcnn_R_50_C4_1x",
    "Faster R-CNN R-50-DC5": "COCO-Detection/faster_rcnn_R_50_DC5_1x",
    "Mask R-CNN ViTDet-B": "ViTDet/COCO/mask_rcnn_vitdet_b_100ep",
    "Cascade Mask R-CNN Swin-T": _swin,
    "Mask R-CNN MViTv2-T": "MViTv2/mask_rcnn_mvitv2_t_3x",
    "Mask R-CNN R-50-FPN with deformable convolution": "Misc/mask_rcnn_R_50_FPN_1x_dconv_c3-c5",
    "Mask R-CNN R-50-FPN with group norm": "Misc/mask_rcnn_R_50_FPN_3x_gn",
    "Faster R-CNN R-50-FPN with rotated boxes": _rotated,
    "Mask R-CNN R-50-FPN with PointRend": _point_rend,
}

#: Sizes of models that are designed for a single size; the others accept any size.
FIXED_SIZES = {"SSD 300 VGG-16": (300, 300)}


def build(label: str, photo: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a model with random weights that detects objects in a photo, and an input without objects.

    Args:
        label: A key of `MODELS`.
        photo: Model input of a real image.

    Returns:
        The model in evaluation mode, and the input of an image of the mean color, of the size of the photo.
    """
    torch.manual_seed(0)
    source = MODELS[label]
    model: Any = (zoo.get(source) if isinstance(source, str) else source()).eval()
    scale_weights(model, photo)
    blank = {"image": model.pixel_mean.expand_as(photo["image"]).clone(), "file_name": "plain image"}
    exclude(model, photo, blank)
    return model, blank


def scale_weights(model: nn.Module, item: dict[str, Any]) -> None:
    """Scale each layer, so that its outputs for an image have unit variance; scores and deltas get wider spreads.

    Source: Mishkin and Matas, "All you need is a good init", 2016.
    """
    spreads = {"cls_score": 3.0, "cls_logits": 1.5, "class_embed": 3.0, "bbox_pred": 0.3, "objectness_logits": 2.0}
    spreads["anchor_deltas"] = 0.1
    done = set()

    def scale(name: str) -> Any:
        def hook(module: Any, _: Any, output: Any) -> Any:
            if name in done or not isinstance(output, Tensor) or output.numel() < 2:
                return None
            done.add(name)
            bias = 0 if module.bias is None else module.bias
            if module.bias is not None and output.ndim == 4 and not isinstance(module, nn.Linear):
                bias = module.bias[:, None, None]
            parts = name.split(".")
            last = parts[-2] if parts[-1].isdecimal() else parts[-1]
            # The many scores of a one-stage detector have a few large ones even with a small spread.
            spread = 1.2 if name.startswith("head.cls_score") else spreads.get(last, 1.0)
            factor = spread / (output - bias).std().clamp(min=1e-6)
            module.weight.data *= factor
            return (output - bias) * factor + bias

        return hook

    types = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    handles = [m.register_forward_hook(scale(n)) for n, m in model.named_modules() if isinstance(m, types)]
    with torch.no_grad():
        model([item])
    for handle in handles:
        handle.remove()


def exclude(model: nn.Module, photo: dict[str, Any], blank: dict[str, Any]) -> None:
    """Raise the score threshold, so that an image has no detections, if that leaves detections in the photo."""
    with torch.no_grad():
        outputs = [model([item])[0].get("instances") for item in (photo, blank)]
    if outputs[0] is None or not len(outputs[1]):
        return
    threshold = float(outputs[1].scores.max()) + 1e-3
    if int((outputs[0].scores > threshold).sum()) >= MIN_DETECTIONS:
        for module in model.modules():
            if hasattr(module, "test_score_thresh"):
                module.test_score_thresh = threshold
