"""Mask R-CNN with PointRend's mask heads, on COCO and Cityscapes.

Source: Kirillov et al., "PointRend: Image Segmentation as Rendering", CVPR 2020; Cheng, Parkhi and Kirillov,
"Pointly-Supervised Instance Segmentation", CVPR 2022.
"""

from functools import partial

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.projects.point_rend import (
    CoarseMaskHead,
    GridHead,
    ImplicitPointHead,
    ImplicitPointRendMaskHead,
    PointRendMaskHead,
    StandardPointHead,
)
from detectory.zoo.parts.config import resnet_config, set_schedule
from detectory.zoo.parts.loaders import cityscapes_loaders, coco_loaders
from detectory.zoo.parts.rcnn import mask_rcnn_fpn
from detectory.zoo.parts.resnet import R_50, R_101, X_101, ResNetVariant
from detectory.zoo.recipes import recipe
from detectory.zoo.recipes.recipe_table import RECIPES

STRIDES = {"p2": 4, "p3": 8, "p4": 16, "p5": 32}


def point_rend() -> DictConfig:
    """Return Mask R-CNN on a ResNet-50-FPN with PointRend's mask head."""
    model = mask_rcnn_fpn()
    heads = model.roi_heads
    heads.train_on_pred_boxes = True
    heads.mask_pooler = None  # the head receives the feature maps
    heads.mask_head = LazyCall(PointRendMaskHead)(
        coarse_head=LazyCall(CoarseMaskHead)(in_channels=256, num_classes="${...num_classes}"),
        point_head=LazyCall(StandardPointHead)(in_channels=256, num_classes="${...num_classes}"),
        strides=STRIDES,
        coarse_in_features=["p2"],
        point_in_features=["p2"],
    )
    return model


def implicit_point_rend() -> DictConfig:
    """Return Mask R-CNN on a ResNet-50-FPN with the implicit mask head."""
    model = mask_rcnn_fpn()
    heads = model.roi_heads
    heads.mask_pooler = None
    heads.mask_head = LazyCall(ImplicitPointRendMaskHead)(
        parameter_head=LazyCall(GridHead)(
            in_channels=256, grid_size=14, num_outputs=LazyCall(num_params)(num_classes="${....num_classes}")
        ),
        point_head=LazyCall(ImplicitPointHead)(in_channels=256, num_classes="${...num_classes}"),
        strides=STRIDES,
        coarse_in_features=["p2"],
        point_in_features=["p2"],
    )
    return model


def num_params(num_classes: int) -> int:
    """Return the number of parameters of an `ImplicitPointHead` on 256 channels."""
    return ImplicitPointHead(in_channels=256, num_classes=num_classes).num_params


def _config(model: DictConfig, variant: ResNetVariant, times: int) -> DictConfig:
    loaders = coco_loaders()
    loaders.train.mapper.instance_mask_format = "bitmask"
    return resnet_config(model, variant, times, loaders)


def _point_rend(variant: ResNetVariant, times: int) -> DictConfig:
    return _config(point_rend(), variant, times)


def _implicit(times: int) -> DictConfig:
    return _config(implicit_point_rend(), R_50, times)


_FOLDER = "PointRend/InstanceSegmentation"
for _name, _variant, _times in (
    ("R_50", R_50, 1),
    ("R_50", R_50, 3),
    ("R_101", R_101, 3),
    ("X_101_32x8d", X_101, 3),
):
    RECIPES[f"{_FOLDER}/pointrend_rcnn_{_name}_FPN_{_times}x_coco"] = partial(_point_rend, _variant, _times)
for _times in (1, 3):
    RECIPES[f"{_FOLDER}/implicit_pointrend_R_50_FPN_{_times}x_coco"] = partial(_implicit, _times)


@recipe(f"{_FOLDER}/pointrend_rcnn_R_50_FPN_1x_cityscapes")
def point_rend_cityscapes() -> DictConfig:
    """PointRend on the eight instance classes of Cityscapes."""
    loaders = cityscapes_loaders()
    loaders.train.mapper.instance_mask_format = "bitmask"
    config = resnet_config(point_rend(), dataloader=loaders, lr=0.01)
    config.model.roi_heads.num_classes = 8
    return set_schedule(config, 24_000, [18_000])
