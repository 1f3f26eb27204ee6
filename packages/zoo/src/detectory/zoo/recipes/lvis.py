"""Mask R-CNN on ResNets for LVIS v0.5 and v1, with repeat-factor sampling.

Source: Gupta et al., "LVIS: A Dataset for Large Vocabulary Instance Segmentation", 2019.
"""

from functools import partial

from omegaconf import DictConfig

from detectory.zoo.parts.config import resnet_config, set_schedule
from detectory.zoo.parts.loaders import coco_loaders, on_lvis
from detectory.zoo.parts.rcnn import mask_rcnn_fpn
from detectory.zoo.parts.resnet import R_50, R_101, X_101, ResNetVariant
from detectory.zoo.recipes.recipe_table import RECIPES


def mask_rcnn_lvis(version: str, num_classes: int, variant: ResNetVariant) -> DictConfig:
    """Return the whole config of Mask R-CNN on a version of LVIS."""
    config = resnet_config(mask_rcnn_fpn(), variant, dataloader=on_lvis(coco_loaders(), version))
    heads = config.model.roi_heads
    heads.num_classes = num_classes
    heads.box_predictor.test_score_thresh = 0.0001
    heads.box_predictor.test_topk_per_image = 300
    # LVIS v1 has 1.7 times the training images of v0.5.
    return set_schedule(config, 180_000, [120_000, 160_000]) if version == "v1" else config


for _version, _num_classes in (("v0.5", 1230), ("v1", 1203)):
    for _name, _variant in (("R_50", R_50), ("R_101", R_101), ("X_101_32x8d", X_101)):
        RECIPES[f"LVIS{_version}-InstanceSegmentation/mask_rcnn_{_name}_FPN_1x"] = partial(
            mask_rcnn_lvis, _version, _num_classes, _variant
        )
