"""Mask R-CNN on ResNets, for COCO and Cityscapes.

Source: He et al., "Mask R-CNN", 2017.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from omegaconf import DictConfig

from detectory.zoo.parts.config import resnet_config, set_schedule, set_values
from detectory.zoo.parts.loaders import cityscapes_loaders, coco_loaders, fixed_size_augmentations
from detectory.zoo.parts.rcnn import mask_rcnn_c4, mask_rcnn_dc5, mask_rcnn_fpn
from detectory.zoo.parts.resnet import R_50, R_101, X_101, ResNetVariant
from detectory.zoo.recipes.recipe_table import RECIPES, recipe

FEATURES: dict[str, Callable[[], DictConfig]] = {"FPN": mask_rcnn_fpn, "C4": mask_rcnn_c4, "DC5": mask_rcnn_dc5}

#: Backbone, features and length of the COCO baselines, which Faster R-CNN shares.
BASELINES = [
    *(("R_50", R_50, features, times) for features in FEATURES for times in (1, 3)),
    *(("R_101", R_101, features, 3) for features in FEATURES),
    ("X_101_32x8d", X_101, "FPN", 3),
]

#: GIoU losses, with weights that balance them against the classification losses.
_GIOU = {
    "model.proposal_generator.box_reg_loss_type": "giou",
    "model.proposal_generator.loss_weight": {"loss_rpn_cls": 1.0, "loss_rpn_loc": 2.0},
    "model.roi_heads.box_predictor.box_reg_loss_type": "giou",
    "model.roi_heads.box_predictor.loss_weight": {"loss_box_reg": 10.0},
}
_CLASS_AGNOSTIC = {
    "model.roi_heads.box_predictor.cls_agnostic_bbox_reg": True,
    "model.roi_heads.mask_head.num_classes": 1,
}
#: Detectron 1 samples RoIAlign without the half-pixel shift and uses smooth L1 losses.
DETECTRON_1_BOXES = {
    "model.proposal_generator.smooth_l1_beta": 0.1111,
    "model.roi_heads.box_pooler.pooler_type": "ROIAlign",
    "model.roi_heads.box_pooler.sampling_ratio": 2,
    "model.roi_heads.box_predictor.smooth_l1_beta": 1.0,
}
_DETECTRON_1_MASKS = {
    "model.roi_heads.mask_pooler.pooler_type": "ROIAlign",
    "model.roi_heads.mask_pooler.sampling_ratio": 2,
}


def dilated_for(features: str, variant: ResNetVariant) -> ResNetVariant:
    """Return the variant for the given features: DC5 requires a dilated res5."""
    return replace(variant, dilated=True) if features == "DC5" else variant


def mask_rcnn(variant: ResNetVariant = R_50, features: str = "FPN", times: int = 1) -> DictConfig:
    """Return the whole config of Mask R-CNN on COCO."""
    return resnet_config(FEATURES[features](), dilated_for(features, variant), times)


for _name, _variant, _features, _times in BASELINES:
    RECIPES[f"COCO-InstanceSegmentation/mask_rcnn_{_name}_{_features}_{_times}x"] = partial(
        mask_rcnn, _variant, _features, _times
    )


@recipe("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x_giou")
def mask_rcnn_giou() -> DictConfig:
    """Mask R-CNN with GIoU regression losses."""
    return set_values(mask_rcnn(), _GIOU)


@recipe("Misc/mask_rcnn_R_50_FPN_1x_cls_agnostic")
def mask_rcnn_class_agnostic() -> DictConfig:
    """Mask R-CNN with class-agnostic boxes and masks."""
    return set_values(mask_rcnn(), _CLASS_AGNOSTIC)


for _times in (1, 3):
    RECIPES[f"Misc/mask_rcnn_R_50_FPN_{_times}x_dconv_c3-c5"] = partial(
        mask_rcnn, replace(R_50, deformable=True), "FPN", _times
    )


@recipe("Detectron1-Comparisons/mask_rcnn_R_50_FPN_noaug_1x")
def mask_rcnn_detectron1() -> DictConfig:
    """Mask R-CNN with the settings of Detectron 1, without scale augmentation."""
    config = resnet_config(mask_rcnn_fpn(), dataloader=coco_loaders(augmentations=fixed_size_augmentations()))
    return set_values(config, DETECTRON_1_BOXES | _DETECTRON_1_MASKS)


@recipe("Cityscapes/mask_rcnn_R_50_FPN")
def mask_rcnn_cityscapes() -> DictConfig:
    """Mask R-CNN fine-tuned from COCO on the eight instance classes of Cityscapes."""
    weights = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x/137849600/model_final_f10217.pkl"
    config = resnet_config(mask_rcnn_fpn(), dataloader=cityscapes_loaders(), lr=0.01)
    config.model.roi_heads.num_classes = 8
    config.train.init_checkpoint = f"detectron2://{weights}"
    config.train.eval_period = 8000
    return set_schedule(config, 24_000, [18_000])
