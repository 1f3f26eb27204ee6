"""Mask heads of PointRend that are built from a config."""

from collections.abc import Mapping, Sequence
from typing import Any

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling.roi_heads.mask_head import ROI_MASK_HEAD_REGISTRY
from detectory.projects import point_rend as native
from detectory.projects.point_rend import calculate_uncertainty

from .point_head import build_point_head, roi_mask_point_loss

__all__ = [
    "CoarseMaskHead",
    "ImplicitPointRendMaskHead",
    "PointRendMaskHead",
    "calculate_uncertainty",
    "roi_mask_point_loss",
]

Shapes = Mapping[str, ShapeSpec]


class CoarseMaskHead(native.CoarseMaskHead):
    """`detectory.projects.point_rend.CoarseMaskHead` that can also be built from a config."""

    __init__ = configurable(native.CoarseMaskHead.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict[str, Any]:
        """Read the arguments from `MODEL.ROI_MASK_HEAD`, for features of the given shape."""
        settings = cfg.MODEL.ROI_MASK_HEAD
        return {
            "in_channels": input_shape.channels,
            "num_classes": cfg.MODEL.ROI_HEADS.NUM_CLASSES,
            "conv_dim": settings.CONV_DIM,
            "fc_dim": settings.FC_DIM,
            "num_fc": settings.NUM_FC,
            "grid_size": settings.POOLER_RESOLUTION,
            "output_side_resolution": settings.OUTPUT_SIDE_RESOLUTION,
        }


@ROI_MASK_HEAD_REGISTRY.register()
class PointRendMaskHead(native.PointRendMaskHead):
    """`detectory.projects.point_rend.PointRendMaskHead` that can also be built from a config."""

    __init__ = configurable(native.PointRendMaskHead.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: Shapes) -> dict[str, Any]:
        """Read the arguments from `MODEL.ROI_MASK_HEAD` and `MODEL.POINT_HEAD`, for feature maps of the given shapes.

        Raises:
            ValueError: If the two heads predict different numbers of classes.
        """
        heads, points = cfg.MODEL.ROI_MASK_HEAD, cfg.MODEL.POINT_HEAD
        if heads.POINT_HEAD_ON:
            _check_classes("PointRendMaskHead", cfg)
        coarse = ShapeSpec(channels=channels_of(input_shape, heads.IN_FEATURES))
        return _shared_arguments(cfg, input_shape) | {
            "coarse_head": CoarseMaskHead(cfg, coarse),
            "point_head": _point_head(cfg, input_shape) if heads.POINT_HEAD_ON else None,
            "oversample_ratio": points.OVERSAMPLE_RATIO,
            "importance_sample_ratio": points.IMPORTANCE_SAMPLE_RATIO,
        }


@ROI_MASK_HEAD_REGISTRY.register()
class ImplicitPointRendMaskHead(native.ImplicitPointRendMaskHead):
    """`detectory.projects.point_rend.ImplicitPointRendMaskHead` that can also be built from a config."""

    __init__ = configurable(native.ImplicitPointRendMaskHead.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: Shapes) -> dict[str, Any]:
        """Read the arguments from `MODEL.ROI_MASK_HEAD`, `MODEL.POINT_HEAD` and `MODEL.IMPLICIT_POINTREND`.

        Raises:
            ValueError: If the two heads predict different numbers of classes.
        """
        _check_classes("ImplicitPointRendMaskHead", cfg)
        heads = cfg.MODEL.ROI_MASK_HEAD
        point_head = _point_head(cfg, input_shape)
        return _shared_arguments(cfg, input_shape) | {
            "parameter_head": native.GridHead(
                in_channels=channels_of(input_shape, heads.IN_FEATURES),
                grid_size=heads.POOLER_RESOLUTION,
                num_outputs=point_head.num_params,
                conv_dim=heads.CONV_DIM,
                fc_dim=heads.FC_DIM,
                num_fc=heads.NUM_FC,
            ),
            "point_head": point_head,
            "parameter_regularizer": cfg.MODEL.IMPLICIT_POINTREND.PARAMS_L2_REGULARIZER,
        }


def _shared_arguments(cfg: CfgNode, input_shape: Shapes) -> dict[str, Any]:
    heads, points = cfg.MODEL.ROI_MASK_HEAD, cfg.MODEL.POINT_HEAD
    return {
        "strides": {name: shape.stride for name, shape in input_shape.items()},
        "coarse_in_features": heads.IN_FEATURES,
        "coarse_grid_size": heads.POOLER_RESOLUTION,
        "point_in_features": points.IN_FEATURES,
        "train_num_points": points.TRAIN_NUM_POINTS,
        "subdivision_steps": points.SUBDIVISION_STEPS,
        "subdivision_num_points": points.SUBDIVISION_NUM_POINTS,
    }


def _point_head(cfg: CfgNode, input_shape: Shapes) -> Any:
    return build_point_head(cfg, ShapeSpec(channels=channels_of(input_shape, cfg.MODEL.POINT_HEAD.IN_FEATURES)))


def _check_classes(head: str, cfg: CfgNode) -> None:
    points, regions = cfg.MODEL.POINT_HEAD.NUM_CLASSES, cfg.MODEL.ROI_HEADS.NUM_CLASSES
    if points != regions:
        raise ValueError(
            f"{head}: MODEL.POINT_HEAD.NUM_CLASSES {points} must equal MODEL.ROI_HEADS.NUM_CLASSES {regions}"
        )


def channels_of(input_shape: Shapes, names: Sequence[str]) -> int:
    """Return the sum of the channels of the named feature maps."""
    return sum(input_shape[name].channels or 0 for name in names)
