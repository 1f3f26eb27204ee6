"""Mask R-CNN with trainable normalisation everywhere (GN or SyncBN), also from random initialisation.

Source: Wu and He, "Group Normalization", 2018; He et al., "Rethinking ImageNet Pre-training", 2019 (from scratch).
"""

from dataclasses import replace

from omegaconf import DictConfig

from detectory.zoo.parts.config import resnet_config, set_schedule
from detectory.zoo.parts.loaders import coco_loaders
from detectory.zoo.parts.rcnn import mask_rcnn_fpn
from detectory.zoo.parts.resnet import BGR_STD, R_50, R_50_GN, ResNetVariant
from detectory.zoo.recipes.recipe_table import recipe

_R_50_SYNC_BN = replace(R_50, norm="SyncBN")
_SCRATCH_GN = replace(R_50_GN, weights="", freeze_at=0)
_SCRATCH_SYNC_BN = replace(_SCRATCH_GN, norm="SyncBN")
_PRECISE_BN = {"num_iter": 200}


def _normalized_mask_rcnn(variant: ResNetVariant) -> DictConfig:
    """Return Mask R-CNN with the variant's norm in pyramid and heads, and a box head of four convolutions."""
    model = mask_rcnn_fpn()
    heads = model.roi_heads
    model.backbone.norm = heads.box_head.conv_norm = heads.mask_head.conv_norm = variant.norm
    heads.box_head.conv_dims = [256, 256, 256, 256]
    heads.box_head.fc_dims = [1024]
    return model


def _trained_9x(variant: ResNetVariant) -> DictConfig:
    """Return the config of 108 epochs from scratch, in batches of 64."""
    variant = replace(variant, pixel_std=tuple(BGR_STD))
    config = resnet_config(_normalized_mask_rcnn(variant), variant, dataloader=coco_loaders(batch_size=64), lr=0.08)
    config.train.eval_period = 2500
    return set_schedule(config, 202_500, [187_500, 197_500])


@recipe("Misc/mask_rcnn_R_50_FPN_3x_gn")
def mask_rcnn_gn() -> DictConfig:
    """Mask R-CNN with group normalisation, 36 epochs."""
    return resnet_config(_normalized_mask_rcnn(R_50_GN), R_50_GN, 3)


@recipe("Misc/mask_rcnn_R_50_FPN_3x_syncbn")
def mask_rcnn_sync_bn() -> DictConfig:
    """Mask R-CNN with synchronised batch norm, 36 epochs."""
    config = resnet_config(_normalized_mask_rcnn(_R_50_SYNC_BN), _R_50_SYNC_BN, 3)
    config.train.precise_bn = _PRECISE_BN
    return config


@recipe("Misc/scratch_mask_rcnn_R_50_FPN_3x_gn")
def scratch_gn_3x() -> DictConfig:
    """Mask R-CNN with group normalisation from scratch, 36 epochs."""
    return resnet_config(_normalized_mask_rcnn(_SCRATCH_GN), _SCRATCH_GN, 3)


@recipe("Misc/scratch_mask_rcnn_R_50_FPN_9x_gn")
def scratch_gn_9x() -> DictConfig:
    """Mask R-CNN with group normalisation from scratch, 108 epochs."""
    return _trained_9x(_SCRATCH_GN)


@recipe("Misc/scratch_mask_rcnn_R_50_FPN_9x_syncbn")
def scratch_sync_bn_9x() -> DictConfig:
    """Mask R-CNN with synchronised batch norm from scratch, 108 epochs."""
    config = _trained_9x(_SCRATCH_SYNC_BN)
    config.train.precise_bn = _PRECISE_BN
    return config
