"""Panoptic FPN, Mask R-CNN with a semantic head on the same pyramid, and the semantic head alone.

Source: Kirillov et al., "Panoptic Feature Pyramid Networks", 2019.
"""

from dataclasses import replace
from functools import partial

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.meta_arch import PanopticFPN, SemanticSegmentor, SemSegFPNHead
from detectory.zoo.parts.cascade import make_cascade
from detectory.zoo.parts.config import resnet_config, set_schedule
from detectory.zoo.parts.loaders import panoptic_loaders, stuff_loaders
from detectory.zoo.parts.rcnn import PYRAMID, mask_rcnn_fpn
from detectory.zoo.parts.resnet import R_50, R_101, R_101_GN_DEFORMABLE, ResNetVariant
from detectory.zoo.recipes.cascade_rcnn import CASCADE_PROPOSALS
from detectory.zoo.recipes.recipe_table import RECIPES, recipe


def panoptic_fpn() -> DictConfig:
    """Return Panoptic FPN on a ResNet-50."""
    model = mask_rcnn_fpn()
    model._target_ = PanopticFPN
    model.sem_seg_head = LazyCall(SemSegFPNHead)(
        input_shape={
            level: LazyCall(ShapeSpec)(channels="${....backbone.out_channels}", stride=stride)
            for level, stride in zip(PYRAMID, (4, 8, 16, 32), strict=True)
        },
        ignore_value=255,
        num_classes=54,  # 53 stuff classes and one for all things
        conv_dims=128,
        common_stride=4,
        loss_weight=0.5,
        norm="GN",
    )
    return model


def _panoptic(variant: ResNetVariant, times: int = 1) -> DictConfig:
    return resnet_config(panoptic_fpn(), variant, times, panoptic_loaders())


for _name, _variant, _times in (("R_50", R_50, 1), ("R_50", R_50, 3), ("R_101", R_101, 3)):
    RECIPES[f"COCO-PanopticSegmentation/panoptic_fpn_{_name}_{_times}x"] = partial(_panoptic, _variant, _times)

RECIPES["COCO-PanopticSegmentation/Base-Panoptic-FPN"] = partial(_panoptic, replace(R_50, weights=""))


@recipe("Misc/panoptic_fpn_R_101_dconv_cascade_gn_3x")
def panoptic_cascade() -> DictConfig:
    """Panoptic FPN on a deformable ResNet-101 with a cascade and group normalisation, 36 epochs in batches of 32."""
    model = make_cascade(panoptic_fpn())
    model.proposal_generator.post_nms_topk = CASCADE_PROPOSALS
    model.backbone.norm = model.roi_heads.mask_head.conv_norm = "GN"
    config = resnet_config(model, R_101_GN_DEFORMABLE, dataloader=panoptic_loaders(), lr=0.04)
    config.dataloader.train.total_batch_size = 32
    return set_schedule(config, 135_000, [105_000, 125_000])


@recipe("Misc/semantic_R_50_FPN_1x")
def semantic_fpn() -> DictConfig:
    """Semantic FPN: the semantic head of Panoptic FPN, trained alone."""
    panoptic = panoptic_fpn()
    panoptic.sem_seg_head.loss_weight = 1.0
    model = LazyCall(SemanticSegmentor)(
        backbone=panoptic.backbone,
        sem_seg_head=panoptic.sem_seg_head,
        pixel_mean=panoptic.pixel_mean,
        pixel_std=panoptic.pixel_std,
    )
    return resnet_config(model, dataloader=stuff_loaders())
