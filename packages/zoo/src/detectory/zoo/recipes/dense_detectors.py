"""Detectors without a proposal stage: RetinaNet and FCOS.

Source: Lin et al., "Focal Loss for Dense Object Detection", 2017; Tian et al., "FCOS: Fully Convolutional One-Stage
Object Detection", 2019.
"""

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.modeling.backbone import FPN, LastLevelP6P7
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.matcher import Matcher
from detectory.modeling.meta_arch import FCOS, FCOSHead, RetinaNet, RetinaNetHead
from detectory.zoo.recipes.loaders import coco_loaders
from detectory.zoo.recipes.mask_rcnn import BGR_MEAN, RESNET_50, resnet
from detectory.zoo.recipes.recipe_table import recipe, whole_config
from detectory.zoo.recipes.training import sgd, steps_1x, train_options

_STAGES = ("res3", "res4", "res5")
_LEVELS = ["p3", "p4", "p5", "p6", "p7"]


def _pyramid(**top_block: object) -> DictConfig:
    return LazyCall(FPN)(
        bottom_up=resnet(out_features=_STAGES),
        in_features=list(_STAGES),
        out_channels=256,
        top_block=LazyCall(LastLevelP6P7)(out_channels="${..out_channels}", **top_block),
    )


def retinanet() -> DictConfig:
    """Return RetinaNet with a ResNet-50-FPN, nine anchors a cell."""
    return LazyCall(RetinaNet)(
        backbone=_pyramid(in_channels=2048),
        head=LazyCall(RetinaNetHead)(
            input_shape=[ShapeSpec(channels=256) for _ in _LEVELS],
            num_classes="${..num_classes}",
            conv_dims=[256, 256, 256, 256],
            prior_prob=0.01,
            num_anchors=9,
        ),
        anchor_generator=LazyCall(DefaultAnchorGenerator)(
            sizes=[[x, x * 2 ** (1.0 / 3), x * 2 ** (2.0 / 3)] for x in (32, 64, 128, 256, 512)],
            aspect_ratios=[0.5, 1.0, 2.0],
            strides=[8, 16, 32, 64, 128],
            offset=0.0,
        ),
        box2box_transform=LazyCall(Box2BoxTransform)(weights=[1.0, 1.0, 1.0, 1.0]),
        anchor_matcher=LazyCall(Matcher)(thresholds=[0.4, 0.5], labels=[0, -1, 1], allow_low_quality_matches=True),
        num_classes=80,
        head_in_features=_LEVELS,
        focal_loss_alpha=0.25,
        focal_loss_gamma=2.0,
        pixel_mean=BGR_MEAN,
        pixel_std=[1.0, 1.0, 1.0],
        input_format="BGR",
    )


def fcos() -> DictConfig:
    """Return FCOS with a ResNet-50-FPN."""
    return LazyCall(FCOS)(
        backbone=_pyramid(in_channels=256, in_feature="p5"),
        head=LazyCall(FCOSHead)(
            input_shape=[ShapeSpec(channels=256) for _ in _LEVELS],
            num_classes="${..num_classes}",
            conv_dims=[256, 256, 256, 256],
            prior_prob=0.01,
            norm="GN",
        ),
        num_classes=80,
        head_in_features=_LEVELS,
        focal_loss_alpha=0.25,
        focal_loss_gamma=2.0,
        test_score_thresh=0.2,
        test_nms_thresh=0.6,
        pixel_mean=BGR_MEAN,
        pixel_std=[1.0, 1.0, 1.0],
    )


def _trained_1x(model: DictConfig) -> DictConfig:
    return whole_config(
        model=model,
        dataloader=coco_loaders(masks=False),
        optimizer=sgd(lr=0.01),
        lr_multiplier=steps_1x(),
        train=train_options(RESNET_50),
    )


@recipe("COCO-Detection/retinanet_R_50_FPN_1x.py")
def retinanet_r50_fpn_1x() -> DictConfig:
    """RetinaNet, ResNet-50-FPN, 12 epochs."""
    return _trained_1x(retinanet())


@recipe("COCO-Detection/fcos_R_50_FPN_1x.py")
def fcos_r50_fpn_1x() -> DictConfig:
    """FCOS, ResNet-50-FPN, 12 epochs."""
    return _trained_1x(fcos())
