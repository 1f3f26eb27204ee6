"""Faster R-CNN, Fast R-CNN and region proposal networks on ResNets, for COCO and PASCAL VOC.

Source: Ren et al., "Faster R-CNN", 2015; Girshick, "Fast R-CNN", 2015; Dai et al., "Deformable Convolutional
Networks", 2017 (dilated res5).
"""

from dataclasses import replace
from functools import partial

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.modeling.meta_arch import ProposalNetwork
from detectory.zoo.parts.config import resnet_config, set_schedule, set_values
from detectory.zoo.parts.loaders import (
    coco_loaders,
    fixed_size_augmentations,
    use_precomputed_proposals,
    voc_loaders,
)
from detectory.zoo.parts.rcnn import mask_rcnn_fpn, without_masks
from detectory.zoo.parts.resnet import R_50, ResNetVariant
from detectory.zoo.recipes.mask_rcnn import BASELINES, DETECTRON_1_BOXES, FEATURES, dilated_for
from detectory.zoo.recipes.recipe_table import RECIPES, recipe


def faster_rcnn(variant: ResNetVariant = R_50, features: str = "FPN", times: int = 1) -> DictConfig:
    """Return the whole config of Faster R-CNN on COCO."""
    model = without_masks(FEATURES[features]())
    return resnet_config(model, dilated_for(features, variant), times, coco_loaders(masks=False))


for _name, _variant, _features, _times in BASELINES:
    RECIPES[f"COCO-Detection/faster_rcnn_{_name}_{_features}_{_times}x"] = partial(
        faster_rcnn, _variant, _features, _times
    )

for _name, _features in (("FPN", "FPN"), ("C4", "C4"), ("DilatedC5", "DC5")):
    RECIPES[f"Base-RCNN-{_name}"] = partial(faster_rcnn, replace(R_50, weights=""), _features)


def _proposal_network(features: str, pre_nms_topk: list[int], post_nms_topk: list[int]) -> DictConfig:
    """Return the config of an RPN, with the numbers of proposals in training and inference."""
    model = FEATURES[features]()
    model.proposal_generator.pre_nms_topk = pre_nms_topk
    model.proposal_generator.post_nms_topk = post_nms_topk
    proposals = LazyCall(ProposalNetwork)(
        backbone=model.backbone,
        proposal_generator=model.proposal_generator,
        pixel_mean=model.pixel_mean,
        pixel_std=model.pixel_std,
    )
    return resnet_config(proposals, dataloader=coco_loaders(masks=False))


RECIPES["COCO-Detection/rpn_R_50_FPN_1x"] = partial(_proposal_network, "FPN", [2000, 1000], [1000, 2000])
RECIPES["COCO-Detection/rpn_R_50_C4_1x"] = partial(_proposal_network, "C4", [12000, 12000], [2000, 2000])


@recipe("COCO-Detection/fast_rcnn_R_50_FPN_1x")
def fast_rcnn_r50_fpn_1x() -> DictConfig:
    """Fast R-CNN on precomputed proposals."""
    config = faster_rcnn()
    config.model.proposal_generator = None
    use_precomputed_proposals(config.dataloader)
    return config


@recipe("Detectron1-Comparisons/faster_rcnn_R_50_FPN_noaug_1x")
def faster_rcnn_detectron1() -> DictConfig:
    """Faster R-CNN with the settings of Detectron 1, without scale augmentation."""
    loaders = coco_loaders(augmentations=fixed_size_augmentations(), masks=False)
    return set_values(resnet_config(without_masks(mask_rcnn_fpn()), dataloader=loaders), DETECTRON_1_BOXES)


def _on_voc(features: str) -> DictConfig:
    config = resnet_config(without_masks(FEATURES[features]()), dataloader=voc_loaders())
    config.model.roi_heads.num_classes = 20
    return set_schedule(config, 18_000, [12_000, 16_000], warmup_iters=100)


for _features in ("FPN", "C4"):
    RECIPES[f"PascalVOC-Detection/faster_rcnn_R_50_{_features}"] = partial(_on_voc, _features)
