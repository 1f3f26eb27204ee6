"""Mask R-CNN and implicit PointRend trained with ten labeled points per object of COCO.

Source: Cheng, Parkhi and Kirillov, "Pointly-Supervised Instance Segmentation", CVPR 2022.
"""

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.projects.point_rend.recipes.instance_segmentation import implicit_point_rend
from detectory.projects.point_sup import (
    ImplicitPointRendPointSupHead,
    MaskRCNNConvUpsamplePointSupHead,
    PointSupDatasetMapper,
)
from detectory.projects.point_sup.datasets import COCO_POINTS
from detectory.zoo.parts.config import resnet_config
from detectory.zoo.parts.loaders import TRAIN_SIZES, coco_loaders, multi_scale_augmentations
from detectory.zoo.parts.rcnn import mask_rcnn_fpn
from detectory.zoo.parts.resnet import R_50
from detectory.zoo.recipes import recipe


def _config(model: DictConfig, sample_points: int) -> DictConfig:
    loaders = coco_loaders(COCO_POINTS)
    loaders.train.mapper = LazyCall(PointSupDatasetMapper)(
        is_train=True,
        augmentations=multi_scale_augmentations(TRAIN_SIZES),
        image_format="BGR",
        sample_points=sample_points,
    )
    return resnet_config(model, R_50, 3, loaders)


def mask_rcnn() -> DictConfig:
    """Return Mask R-CNN on a ResNet-50-FPN with the point-supervised mask head."""
    model = mask_rcnn_fpn()
    model.roi_heads.mask_head._target_ = MaskRCNNConvUpsamplePointSupHead
    return model


@recipe("PointSup/mask_rcnn_R_50_FPN_3x_point_sup_coco")
def mask_rcnn_point_sup() -> DictConfig:
    """Mask R-CNN trained with all ten points."""
    return _config(mask_rcnn(), 0)


@recipe("PointSup/mask_rcnn_R_50_FPN_3x_point_sup_point_aug_coco")
def mask_rcnn_point_aug() -> DictConfig:
    """Mask R-CNN trained with five of the ten points, drawn at each step."""
    return _config(mask_rcnn(), 5)


@recipe("PointSup/implicit_pointrend_R_50_FPN_3x_point_sup_point_aug_coco")
def implicit_point_rend_point_aug() -> DictConfig:
    """Implicit PointRend trained with five of the ten points, drawn at each step."""
    model = implicit_point_rend()
    model.roi_heads.mask_head._target_ = ImplicitPointRendPointSupHead
    return _config(model, 5)
