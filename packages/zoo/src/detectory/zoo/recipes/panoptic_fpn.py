"""Panoptic FPN: Mask R-CNN for things and a semantic head for stuff on one pyramid.

Source: Kirillov et al., "Panoptic Feature Pyramid Networks", 2019.
"""

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.meta_arch import PanopticFPN, SemSegFPNHead
from detectory.zoo.recipes.loaders import panoptic_loaders
from detectory.zoo.recipes.mask_rcnn import PYRAMID, RESNET_50, mask_rcnn_fpn
from detectory.zoo.recipes.recipe_table import recipe, whole_config
from detectory.zoo.recipes.training import sgd, steps_1x, train_options


def panoptic_fpn() -> DictConfig:
    """Return Panoptic FPN with a ResNet-50."""
    model = mask_rcnn_fpn()
    model._target_ = PanopticFPN
    model.sem_seg_head = LazyCall(SemSegFPNHead)(
        input_shape={
            level: LazyCall(ShapeSpec)(channels="${....backbone.out_channels}", stride=stride)
            for level, stride in zip(PYRAMID, (4, 8, 16, 32), strict=True)
        },
        ignore_value=255,
        num_classes=54,  # 53 of stuff and one for all things
        conv_dims=128,
        common_stride=4,
        loss_weight=0.5,
        norm="GN",
    )
    return model


@recipe("COCO-PanopticSegmentation/panoptic_fpn_R_50_1x.py")
def panoptic_fpn_r50_1x() -> DictConfig:
    """Panoptic FPN, ResNet-50, 12 epochs."""
    return whole_config(
        model=panoptic_fpn(),
        dataloader=panoptic_loaders(),
        optimizer=sgd(),
        lr_multiplier=steps_1x(),
        train=train_options(RESNET_50),
    )
