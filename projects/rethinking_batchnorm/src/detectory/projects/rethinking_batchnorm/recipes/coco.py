"""Mask R-CNN and RetinaNet on COCO with batch normalization in the heads.

Source: Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021, tables 3, 5 and 6.
"""

from typing import Any

from omegaconf import DictConfig
from torch import nn

from detectory.projects.rethinking_batchnorm import (
    BatchNormBatchStat,
    RetinaNetHeadSharedTraining,
    ShuffledFastRCNNConvFCHead,
    ShuffledMaskRCNNConvUpsampleHead,
)
from detectory.zoo.parts.config import resnet_config
from detectory.zoo.parts.loaders import coco_loaders
from detectory.zoo.parts.rcnn import mask_rcnn_fpn
from detectory.zoo.parts.resnet import R_50
from detectory.zoo.recipes import recipe
from detectory.zoo.recipes.dense_detectors import retinanet


def _mask_rcnn(norm: Any) -> DictConfig:
    model = mask_rcnn_fpn()
    model.backbone.bottom_up.freeze_at = 2
    model.roi_heads.box_head.conv_dims = [256] * 4
    model.roi_heads.box_head.fc_dims = [1024]
    model.roi_heads.box_head.conv_norm = norm
    model.roi_heads.mask_head.conv_norm = norm
    return resnet_config(model, R_50, 3)


def _retinanet() -> DictConfig:
    model = retinanet()
    model.backbone.bottom_up.freeze_at = 2
    model.head.norm = nn.SyncBatchNorm  # a class is shared by the levels, unlike the name "SyncBN"
    return resnet_config(model, R_50, 3, coco_loaders(masks=False), lr=0.01)


@recipe("Rethinking-BatchNorm/mask_rcnn_BNhead")
def mask_rcnn_bn() -> DictConfig:
    """Batch normalization in the box and the mask head."""
    return _mask_rcnn("BN")


@recipe("Rethinking-BatchNorm/mask_rcnn_SyncBNhead")
def mask_rcnn_sync_bn() -> DictConfig:
    """Batch normalization over the regions of all processes."""
    return _mask_rcnn("SyncBN")


@recipe("Rethinking-BatchNorm/mask_rcnn_BNhead_batch_stats")
def mask_rcnn_batch_statistics() -> DictConfig:
    """Batch normalization with the statistics of the batch, also in inference."""
    return _mask_rcnn(BatchNormBatchStat)


@recipe("Rethinking-BatchNorm/mask_rcnn_BNhead_shuffle")
def mask_rcnn_shuffled() -> DictConfig:
    """Batch normalization of shuffled regions."""
    config = _mask_rcnn("BN")
    config.model.roi_heads.box_head._target_ = ShuffledFastRCNNConvFCHead
    config.model.roi_heads.mask_head._target_ = ShuffledMaskRCNNConvUpsampleHead
    return config


@recipe("Rethinking-BatchNorm/retinanet_SyncBNhead")
def retinanet_sync_bn() -> DictConfig:
    """RetinaNet with batch normalization per level, with common running statistics."""
    return _retinanet()


@recipe("Rethinking-BatchNorm/retinanet_SyncBNhead_SharedTraining")
def retinanet_shared_training() -> DictConfig:
    """RetinaNet with batch normalization of all levels together."""
    config = _retinanet()
    config.model.head._target_ = RetinaNetHeadSharedTraining
    return config
