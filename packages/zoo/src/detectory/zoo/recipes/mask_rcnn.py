"""Mask R-CNN with a ResNet: on a feature pyramid, and on its fourth stage.

Source: He et al., "Mask R-CNN", 2017; Lin et al., "Feature Pyramid Networks for Object Detection", 2017.
"""

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.modeling.backbone import FPN, BasicStem, BottleneckBlock, LastLevelMaxPool, ResNet
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
from detectory.zoo.recipes.loaders import coco_loaders
from detectory.zoo.recipes.recipe_table import recipe, whole_config
from detectory.zoo.recipes.training import sgd, steps_1x, steps_of_coco, train_options

BGR_MEAN = [103.53, 116.28, 123.675]
RGB_MEAN = [123.675, 116.28, 103.53]
RGB_STD = [58.395, 57.12, 57.375]
RESNET_50 = "detectron2://ImageNetPretrained/MSRA/R-50.pkl"

PYRAMID = ["p2", "p3", "p4", "p5"]
PYRAMID_SCALES = [1 / 4, 1 / 8, 1 / 16, 1 / 32]


def resnet(depth: int = 50, out_features: tuple[str, ...] = ("res2", "res3", "res4", "res5")) -> DictConfig:
    """Return a ResNet with frozen batch norms and the first two stages frozen, as MSRA's weights need it."""
    return LazyCall(ResNet)(
        stem=LazyCall(BasicStem)(in_channels=3, out_channels=64, norm="FrozenBN"),
        stages=LazyCall(ResNet.make_default_stages)(depth=depth, stride_in_1x1=True, norm="FrozenBN"),
        out_features=list(out_features),
        freeze_at=2,
    )


def region_pooler(output_size: int, scales: list[float]) -> DictConfig:
    """Return a pooler of aligned regions."""
    return LazyCall(ROIPooler)(output_size=output_size, scales=scales, sampling_ratio=0, pooler_type="ROIAlignV2")


def box_predictor(**arguments: object) -> DictConfig:
    """Return the last layer of a box head of 1024 channels."""
    described = {
        "input_shape": ShapeSpec(channels=1024),
        "test_score_thresh": 0.05,
        "box2box_transform": LazyCall(Box2BoxTransform)(weights=[10, 10, 5, 5]),
        "num_classes": "${..num_classes}",
    }
    return LazyCall(FastRCNNOutputLayers)(**(described | arguments))


def box_head(**arguments: object) -> DictConfig:
    """Return a box head of two fully connected layers on 7 by 7 cells."""
    described = {"input_shape": ShapeSpec(channels=256, height=7, width=7), "conv_dims": [], "fc_dims": [1024, 1024]}
    return LazyCall(FastRCNNConvFCHead)(**(described | arguments))


def foreground_matcher(threshold: float = 0.5) -> DictConfig:
    """Return the matcher that makes a proposal foreground from this IoU on."""
    return LazyCall(Matcher)(thresholds=[threshold], labels=[0, 1], allow_low_quality_matches=False)


def rpn_on_pyramid() -> DictConfig:
    """Return a region proposal network on p2 to p6 with one size of anchor a level."""
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


def mask_rcnn_fpn(depth: int = 50) -> DictConfig:
    """Return Mask R-CNN with a ResNet-FPN of this depth."""
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
        pixel_std=[1.0, 1.0, 1.0],
        input_format="BGR",
    )


def mask_rcnn_c4() -> DictConfig:
    """Return Mask R-CNN on res4, whose regions each pass through res5."""
    model = mask_rcnn_fpn()
    model.backbone = resnet(out_features=("res4",))
    proposals = model.proposal_generator
    proposals.in_features = ["res4"]
    proposals.head.in_channels, proposals.head.num_anchors = 1024, 15
    proposals.anchor_generator.sizes, proposals.anchor_generator.strides = [[32, 64, 128, 256, 512]], [16]
    proposals.pre_nms_topk, proposals.post_nms_topk = [12000, 6000], [2000, 1000]
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


@recipe("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py")
def mask_rcnn_r50_fpn_1x() -> DictConfig:
    """Mask R-CNN, ResNet-50-FPN, 12 epochs."""
    return whole_config(
        model=mask_rcnn_fpn(),
        dataloader=coco_loaders(),
        optimizer=sgd(),
        lr_multiplier=steps_1x(),
        train=train_options(RESNET_50),
    )


@recipe("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.py")
def mask_rcnn_r50_fpn_3x() -> DictConfig:
    """Mask R-CNN, ResNet-50-FPN, 37 epochs."""
    config = mask_rcnn_r50_fpn_1x()
    config.train.max_iter = 270_000
    config.lr_multiplier = steps_of_coco(3)
    return config


@recipe("COCO-InstanceSegmentation/mask_rcnn_R_50_C4_1x.py")
def mask_rcnn_r50_c4_1x() -> DictConfig:
    """Mask R-CNN, ResNet-50, features of res4, 12 epochs."""
    config = mask_rcnn_r50_fpn_1x()
    config.model = mask_rcnn_c4()
    return config
