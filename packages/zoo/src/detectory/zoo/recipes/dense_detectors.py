"""One-stage detectors: RetinaNet and FCOS.

Source: Lin et al., "Focal Loss for Dense Object Detection", 2017; Tian et al., "FCOS: Fully Convolutional One-Stage
Object Detection", 2019.
"""

from dataclasses import replace
from functools import partial

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.modeling.backbone import FPN, LastLevelP6P7
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.matcher import Matcher
from detectory.modeling.meta_arch import FCOS, FCOSHead, RetinaNet, RetinaNetHead
from detectory.zoo.parts.config import resnet_config
from detectory.zoo.parts.loaders import coco_loaders
from detectory.zoo.parts.resnet import BGR_MEAN, R_50, R_101, UNIT_STD, ResNetVariant, resnet
from detectory.zoo.recipes.recipe_table import RECIPES, recipe

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
    """Return RetinaNet on a ResNet-50-FPN, with nine anchors per location."""
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
        pixel_std=UNIT_STD,
        input_format="BGR",
    )


def fcos() -> DictConfig:
    """Return FCOS on a ResNet-50-FPN."""
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
        pixel_std=UNIT_STD,
    )


def _retinanet(variant: ResNetVariant, times: int = 1) -> DictConfig:
    return resnet_config(retinanet(), variant, times, coco_loaders(masks=False), lr=0.01)


for _name, _variant, _times in (("R_50", R_50, 1), ("R_50", R_50, 3), ("R_101", R_101, 3)):
    RECIPES[f"COCO-Detection/retinanet_{_name}_FPN_{_times}x"] = partial(_retinanet, _variant, _times)

RECIPES["Base-RetinaNet"] = partial(_retinanet, replace(R_50, weights=""))


@recipe("COCO-Detection/fcos_R_50_FPN_1x")
def fcos_r50_fpn_1x() -> DictConfig:
    """FCOS, ResNet-50-FPN, 12 epochs."""
    return resnet_config(fcos(), dataloader=coco_loaders(masks=False), lr=0.01)
