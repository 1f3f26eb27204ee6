"""Keypoint R-CNN: person boxes with 17 keypoints.

Source: He et al., "Mask R-CNN", 2017, section 5.
"""

from dataclasses import replace
from functools import partial

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.roi_heads import KRCNNConvDeconvUpsampleHead
from detectory.zoo.parts.config import resnet_config, set_values
from detectory.zoo.parts.loaders import keypoint_loaders
from detectory.zoo.parts.rcnn import PYRAMID, PYRAMID_SCALES, mask_rcnn_fpn, region_pooler, without_masks
from detectory.zoo.parts.resnet import R_50, R_101, X_101, ResNetVariant
from detectory.zoo.recipes.mask_rcnn import DETECTRON_1_BOXES
from detectory.zoo.recipes.recipe_table import RECIPES, recipe

_DETECTRON_1_KEYPOINTS = {
    "model.roi_heads.keypoint_pooler.pooler_type": "ROIAlign",
    "model.roi_heads.keypoint_pooler.sampling_ratio": 2,
}


def keypoint_rcnn_fpn() -> DictConfig:
    """Return Keypoint R-CNN on a ResNet-50-FPN."""
    model = without_masks(mask_rcnn_fpn())
    model.roi_heads.num_classes = 1
    model.roi_heads.keypoint_in_features = PYRAMID
    model.roi_heads.keypoint_pooler = region_pooler(14, PYRAMID_SCALES)
    model.roi_heads.keypoint_head = LazyCall(KRCNNConvDeconvUpsampleHead)(
        input_shape=ShapeSpec(channels=256, width=14, height=14),
        num_keypoints=17,
        conv_dims=[512] * 8,
        loss_normalizer="visible",
    )
    # More proposals, because people overlap, and a loss that is less sensitive to small box errors.
    model.proposal_generator.post_nms_topk = [1500, 1000]
    model.roi_heads.box_predictor.smooth_l1_beta = 0.5
    return model


def keypoint_rcnn(variant: ResNetVariant = R_50, times: int = 1) -> DictConfig:
    """Return the whole config of Keypoint R-CNN on COCO."""
    return resnet_config(keypoint_rcnn_fpn(), variant, times, keypoint_loaders())


for _name, _variant, _times in (("R_50", R_50, 1), ("R_50", R_50, 3), ("R_101", R_101, 3), ("X_101_32x8d", X_101, 3)):
    RECIPES[f"COCO-Keypoints/keypoint_rcnn_{_name}_FPN_{_times}x"] = partial(keypoint_rcnn, _variant, _times)

RECIPES["COCO-Keypoints/Base-Keypoint-RCNN-FPN"] = partial(keypoint_rcnn, replace(R_50, weights=""))


@recipe("Detectron1-Comparisons/keypoint_rcnn_R_50_FPN_1x")
def keypoint_rcnn_detectron1() -> DictConfig:
    """Keypoint R-CNN with the settings of Detectron 1."""
    return set_values(keypoint_rcnn(), DETECTRON_1_BOXES | _DETECTRON_1_KEYPOINTS)
