"""Keypoint R-CNN: boxes of people with 17 keypoints.

Source: He et al., "Mask R-CNN", 2017, section 5.
"""

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.roi_heads import KRCNNConvDeconvUpsampleHead
from detectory.zoo.recipes.loaders import keypoint_loaders
from detectory.zoo.recipes.mask_rcnn import PYRAMID, PYRAMID_SCALES, RESNET_50, mask_rcnn_fpn, region_pooler
from detectory.zoo.recipes.recipe_table import recipe, whole_config
from detectory.zoo.recipes.training import sgd, steps_1x, train_options


def keypoint_rcnn_fpn() -> DictConfig:
    """Return Keypoint R-CNN with a ResNet-50-FPN."""
    model = mask_rcnn_fpn()
    for part in ("mask_in_features", "mask_pooler", "mask_head"):
        del model.roi_heads[part]
    model.roi_heads.num_classes = 1
    model.roi_heads.keypoint_in_features = PYRAMID
    model.roi_heads.keypoint_pooler = region_pooler(14, PYRAMID_SCALES)
    model.roi_heads.keypoint_head = LazyCall(KRCNNConvDeconvUpsampleHead)(
        input_shape=ShapeSpec(channels=256, width=14, height=14),
        num_keypoints=17,
        conv_dims=[512] * 8,
        loss_normalizer="visible",
    )
    # Keypoints need boxes of people, which overlap: more proposals, and a loss that cares less for the last pixel.
    model.proposal_generator.post_nms_topk = [1500, 1000]
    model.roi_heads.box_predictor.smooth_l1_beta = 0.5
    return model


@recipe("COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.py")
def keypoint_rcnn_r50_fpn_1x() -> DictConfig:
    """Keypoint R-CNN, ResNet-50-FPN, 12 epochs."""
    return whole_config(
        model=keypoint_rcnn_fpn(),
        dataloader=keypoint_loaders(),
        optimizer=sgd(),
        lr_multiplier=steps_1x(),
        train=train_options(RESNET_50),
    )
