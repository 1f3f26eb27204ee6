"""Cascade heads: three box heads, each trained on the boxes of the previous one with a higher IoU threshold.

Source: Cai and Vasconcelos, "Cascade R-CNN: Delving into High Quality Object Detection", 2018.
"""

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.roi_heads import CascadeROIHeads
from detectory.zoo.parts.rcnn import box_head, box_predictor, foreground_matcher

_WEIGHTS = ([10, 10, 5, 5], [20, 20, 10, 10], [30, 30, 15, 15])
_THRESHOLDS = (0.5, 0.6, 0.7)


def make_cascade(model: DictConfig, conv_norm: object | None = None) -> DictConfig:
    """Replace the box head of a Mask R-CNN by a cascade of three.

    Args:
        model: Config of a Mask R-CNN, modified in place.
        conv_norm: Normalisation (name, or function of the number of channels) of heads with four convolutions and one
            fully connected layer. If None, the heads have two fully connected layers.
    """
    heads = model.roi_heads
    for single in ("box_head", "box_predictor", "proposal_matcher"):
        del heads[single]
    heads._target_ = CascadeROIHeads
    deep = {"conv_dims": [256, 256, 256, 256], "fc_dims": [1024], "conv_norm": conv_norm}
    heads.box_heads = [box_head(**(deep if conv_norm else {})) for _ in _THRESHOLDS]
    heads.box_predictors = [
        box_predictor(
            box2box_transform=LazyCall(Box2BoxTransform)(weights=weights),
            cls_agnostic_bbox_reg=True,
            num_classes="${...num_classes}",
        )
        for weights in _WEIGHTS
    ]
    heads.proposal_matchers = [foreground_matcher(threshold) for threshold in _THRESHOLDS]
    return model


def box_predictors_of(model: DictConfig) -> list[DictConfig]:
    """Return the box predictors of a model: one, or one per stage of a cascade."""
    heads = model.roi_heads
    return list(heads.box_predictors) if "box_predictors" in heads else [heads.box_predictor]
