"""Mask R-CNN on a ResNet, with features from a pyramid (FPN), res4 (C4) or a dilated res5 (DC5).

Source: He et al., "Mask R-CNN", 2017; Lin et al., "Feature Pyramid Networks for Object Detection", 2017.
"""

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.modeling.backbone import FPN, BottleneckBlock, LastLevelMaxPool, ResNet
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.matcher import Matcher
from detectory.modeling.meta_arch import GeneralizedRCNN
from detectory.modeling.poolers import ROIPooler
from detectory.modeling.proposal_generator import RPN, StandardRPNHead
from detectory.modeling.roi_heads import (
    FastRCNNConvFCHead,
    FastRCNNOutputLayers,
    MaskRCNNConvUpsampleHead,
    Res5ROIHeads,
    StandardROIHeads,
)
from detectory.zoo.parts.resnet import BGR_MEAN, UNIT_STD, resnet

PYRAMID = ["p2", "p3", "p4", "p5"]
PYRAMID_SCALES = [1 / 4, 1 / 8, 1 / 16, 1 / 32]


def region_pooler(output_size: int, scales: list[float]) -> DictConfig:
    """Return an RoIAlign pooler with half-pixel alignment."""
    return LazyCall(ROIPooler)(output_size=output_size, scales=scales, sampling_ratio=0, pooler_type="ROIAlignV2")


def box_predictor(**arguments: object) -> DictConfig:
    """Return the classification and regression layer on top of a box head with 1024 channels."""
    defaults = {
        "input_shape": ShapeSpec(channels=1024),
        "test_score_thresh": 0.05,
        "box2box_transform": LazyCall(Box2BoxTransform)(weights=[10, 10, 5, 5]),
        "num_classes": "${..num_classes}",
    }
    return LazyCall(FastRCNNOutputLayers)(**(defaults | arguments))


def box_head(**arguments: object) -> DictConfig:
    """Return a box head with two fully connected layers on 7x7 features."""
    defaults = {"input_shape": ShapeSpec(channels=256, height=7, width=7), "conv_dims": [], "fc_dims": [1024, 1024]}
    return LazyCall(FastRCNNConvFCHead)(**(defaults | arguments))


def foreground_matcher(threshold: float = 0.5) -> DictConfig:
    """Return the matcher of proposals, which are foreground if their IoU is at least `threshold`."""
    return LazyCall(Matcher)(thresholds=[threshold], labels=[0, 1], allow_low_quality_matches=False)


def rpn_on_pyramid() -> DictConfig:
    """Return a region proposal network on p2 to p6 with one anchor size per level."""
    return LazyCall(RPN)(
        in_features=[*PYRAMID, "p6"],
        head=LazyCall(StandardRPNHead)(in_channels=256, num_anchors=3),
        anchor_generator=LazyCall(DefaultAnchorGenerator)(
            sizes=[[32], [64], [128], [256], [512]],
            aspect_ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64],
            offset=0.0,
        ),
        anchor_matcher=LazyCall(Matcher)(thresholds=[0.3, 0.7], labels=[0, -1, 1], allow_low_quality_matches=True),
        box2box_transform=LazyCall(Box2BoxTransform)(weights=[1.0, 1.0, 1.0, 1.0]),
        batch_size_per_image=256,
        positive_fraction=0.5,
        pre_nms_topk=[2000, 1000],
        post_nms_topk=[1000, 1000],
        nms_thresh=0.7,
    )


def rpn_on_single_level(feature: str, channels: int) -> DictConfig:
    """Return a region proposal network on one feature map of stride 16 with all anchor sizes."""
    rpn = rpn_on_pyramid()
    rpn.in_features = [feature]
    rpn.head.in_channels, rpn.head.num_anchors = channels, 15
    rpn.anchor_generator.sizes, rpn.anchor_generator.strides = [[32, 64, 128, 256, 512]], [16]
    rpn.pre_nms_topk, rpn.post_nms_topk = [12000, 6000], [2000, 1000]
    return rpn


def mask_rcnn_fpn(depth: int = 50) -> DictConfig:
    """Return Mask R-CNN on a ResNet-FPN of the given depth."""
    return LazyCall(GeneralizedRCNN)(
        backbone=LazyCall(FPN)(
            bottom_up=resnet(depth),
            in_features="${.bottom_up.out_features}",
            out_channels=256,
            top_block=LazyCall(LastLevelMaxPool)(),
        ),
        proposal_generator=rpn_on_pyramid(),
        roi_heads=LazyCall(StandardROIHeads)(
            num_classes=80,
            batch_size_per_image=512,
            positive_fraction=0.25,
            proposal_matcher=foreground_matcher(),
            box_in_features=PYRAMID,
            box_pooler=region_pooler(7, PYRAMID_SCALES),
            box_head=box_head(),
            box_predictor=box_predictor(),
            mask_in_features=PYRAMID,
            mask_pooler=region_pooler(14, PYRAMID_SCALES),
            mask_head=LazyCall(MaskRCNNConvUpsampleHead)(
                input_shape=ShapeSpec(channels=256, width=14, height=14),
                num_classes="${..num_classes}",
                conv_dims=[256, 256, 256, 256, 256],
            ),
        ),
        pixel_mean=BGR_MEAN,
        pixel_std=UNIT_STD,
        input_format="BGR",
    )


def mask_rcnn_c4() -> DictConfig:
    """Return Mask R-CNN on res4, with res5 applied to each region."""
    model = mask_rcnn_fpn()
    model.backbone = resnet(out_features=("res4",))
    model.proposal_generator = rpn_on_single_level("res4", channels=1024)
    model.roi_heads = LazyCall(Res5ROIHeads)(
        num_classes=80,
        batch_size_per_image=512,
        positive_fraction=0.25,
        proposal_matcher=foreground_matcher(),
        in_features=["res4"],
        pooler=region_pooler(14, [1 / 16]),
        res5=LazyCall(ResNet.make_stage)(
            block_class=BottleneckBlock,
            num_blocks=3,
            stride_per_block=[2, 1, 1],
            in_channels=1024,
            bottleneck_channels=512,
            out_channels=2048,
            norm="FrozenBN",
            stride_in_1x1=True,
        ),
        box_predictor=box_predictor(
            input_shape=LazyCall(ShapeSpec)(channels="${...res5.out_channels}", height=1, width=1)
        ),
        mask_head=LazyCall(MaskRCNNConvUpsampleHead)(
            input_shape=LazyCall(ShapeSpec)(
                channels="${...res5.out_channels}",
                width="${...pooler.output_size}",
                height="${...pooler.output_size}",
            ),
            num_classes="${..num_classes}",
            conv_dims=[256],
        ),
    )
    return model


def mask_rcnn_dc5() -> DictConfig:
    """Return Mask R-CNN on res5, which must be dilated: the poolers expect stride 16."""
    model = mask_rcnn_fpn()
    model.backbone = resnet(out_features=("res5",))
    model.proposal_generator = rpn_on_single_level("res5", channels=2048)
    heads = model.roi_heads
    for head in ("box", "mask"):
        heads[f"{head}_in_features"] = ["res5"]
        heads[f"{head}_pooler"].scales = [1 / 16]
        heads[f"{head}_head"].input_shape.channels = 2048
    return model


def without_masks(model: DictConfig) -> DictConfig:
    """Remove the mask head, in place."""
    if "mask_in_features" in model.roi_heads:
        del model.roi_heads["mask_in_features"], model.roi_heads["mask_pooler"]
    del model.roi_heads["mask_head"]
    return model
