"""ROI heads and their registry."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.layers.wrappers import nonzero_tuple
from detectory.compat.detectron2.modeling.backbone.resnet import BottleneckBlock, ResNet
from detectory.compat.detectron2.modeling.matcher import Matcher
from detectory.compat.detectron2.modeling.poolers import ROIPooler
from detectory.compat.detectron2.modeling.proposal_generator.proposal_utils import add_ground_truth_to_proposals
from detectory.compat.detectron2.modeling.roi_heads.box_head import build_box_head
from detectory.compat.detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputLayers
from detectory.compat.detectron2.modeling.roi_heads.keypoint_head import build_keypoint_head
from detectory.compat.detectron2.modeling.roi_heads.mask_head import build_mask_head
from detectory.compat.detectron2.modeling.sampling import subsample_labels
from detectory.compat.detectron2.modeling.scriptable import ScriptableRes5Heads, ScriptableROIHeads
from detectory.compat.detectron2.utils.events import get_event_storage
from detectory.compat.detectron2.utils.registry import Registry
from detectory.modeling import roi_heads as native
from detectory.modeling.layers import fast_layout
from detectory.modeling.roi_heads import select_foreground_proposals, select_proposals_with_visible_keypoints
from detectory.structures import Boxes, ImageList, Instances, pairwise_iou

__all__ = [
    "ROI_HEADS_REGISTRY",
    "BottleneckBlock",
    "Boxes",
    "FastRCNNOutputLayers",
    "ImageList",
    "Instances",
    "Matcher",
    "ROIHeads",
    "ROIPooler",
    "Res5ROIHeads",
    "ResNet",
    "ShapeSpec",
    "StandardROIHeads",
    "add_ground_truth_to_proposals",
    "build_box_head",
    "build_keypoint_head",
    "build_mask_head",
    "build_roi_heads",
    "get_event_storage",
    "nonzero_tuple",
    "pairwise_iou",
    "select_foreground_proposals",
    "select_proposals_with_visible_keypoints",
    "subsample_labels",
]

ROI_HEADS_REGISTRY = Registry("ROI_HEADS")

Shapes = dict[str, ShapeSpec]


def build_roi_heads(cfg: CfgNode, input_shape: Shapes) -> nn.Module:
    """Build the heads named by `MODEL.ROI_HEADS.NAME` for the backbone's feature maps."""
    return ROI_HEADS_REGISTRY.get(cfg.MODEL.ROI_HEADS.NAME)(cfg, input_shape)


class ROIHeads(native.ROIHeads):
    """`detectory.modeling.roi_heads.ROIHeads` that can also be built from a config."""

    __init__ = configurable(native.ROIHeads.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Read the sampling arguments from `MODEL.ROI_HEADS`."""
        settings = cfg.MODEL.ROI_HEADS
        return {
            "batch_size_per_image": settings.BATCH_SIZE_PER_IMAGE,
            "positive_fraction": settings.POSITIVE_FRACTION,
            "num_classes": settings.NUM_CLASSES,
            "proposal_append_gt": settings.PROPOSAL_APPEND_GT,
            "proposal_matcher": Matcher(settings.IOU_THRESHOLDS, settings.IOU_LABELS, allow_low_quality_matches=False),
        }


@ROI_HEADS_REGISTRY.register()
class Res5ROIHeads(ROIHeads, native.Res5ROIHeads):
    """`detectory.modeling.roi_heads.Res5ROIHeads` that can also be built from a config."""

    __init__ = configurable(native.Res5ROIHeads.__init__)

    def __prepare_scriptable__(self) -> nn.Module:
        """Return the scriptable equivalent of this class; subclasses are scripted as they are."""
        return ScriptableRes5Heads(self) if type(self) is Res5ROIHeads else self

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: Shapes) -> dict[str, Any]:  # type: ignore[override]
        """Read the arguments. The mask head runs on the output of res5; keypoint heads are not supported.

        Raises:
            ValueError: If the config enables keypoints or has several input features.
        """
        names = cfg.MODEL.ROI_HEADS.IN_FEATURES
        if cfg.MODEL.KEYPOINT_ON or len(names) != 1:
            raise ValueError(f"Res5ROIHeads: expected one input feature and no keypoints, got {list(names)}")
        settings = cfg.MODEL.ROI_BOX_HEAD
        described = super().from_config(cfg)
        described["in_features"] = names
        described["pooler"] = ROIPooler(
            output_size=settings.POOLER_RESOLUTION,
            scales=(1.0 / input_shape[names[0]].stride,),
            sampling_ratio=settings.POOLER_SAMPLING_RATIO,
            pooler_type=settings.POOLER_TYPE,
        )
        described["res5"], out_channels = cls._build_res5_block(cfg)
        described["box_predictor"] = FastRCNNOutputLayers(cfg, ShapeSpec(channels=out_channels, height=1, width=1))
        if cfg.MODEL.MASK_ON:
            size = settings.POOLER_RESOLUTION
            described["mask_head"] = build_mask_head(cfg, ShapeSpec(channels=out_channels, width=size, height=size))
        return described

    def _region_features(self, features: Mapping[str, Tensor], boxes: Sequence[Boxes]) -> Tensor:
        return self._shared_roi_transform([features[name] for name in self.in_features], boxes)

    def _shared_roi_transform(self, features: list[Tensor], boxes: Sequence[Boxes]) -> Tensor:
        """Pool regions from the input features and apply res5, `(R, C, H, W)`."""
        return self.res5(fast_layout(self.pooler(features, boxes)))

    @classmethod
    def _build_res5_block(cls, cfg: CfgNode) -> tuple[nn.Module, int]:
        """Build the last ResNet stage; return it and its number of output channels."""
        settings = cfg.MODEL.RESNETS
        if settings.DEFORM_ON_PER_STAGE[-1]:
            raise ValueError("Res5ROIHeads: deformable convolution is not supported in res5")
        growth = 2**3
        out_channels = settings.RES2_OUT_CHANNELS * growth
        blocks = ResNet.make_stage(
            BottleneckBlock,
            3,
            stride_per_block=[2, 1, 1],
            in_channels=out_channels // 2,
            bottleneck_channels=settings.NUM_GROUPS * settings.WIDTH_PER_GROUP * growth,
            out_channels=out_channels,
            num_groups=settings.NUM_GROUPS,
            norm=settings.NORM,
            stride_in_1x1=settings.STRIDE_IN_1X1,
        )
        return nn.Sequential(*blocks), out_channels


@ROI_HEADS_REGISTRY.register()
class StandardROIHeads(ROIHeads, native.StandardROIHeads):
    """`detectory.modeling.roi_heads.StandardROIHeads` that can also be built from a config.

    A subclass may replace one head by overriding the classmethod `_init_box_head`, `_init_mask_head` or
    `_init_keypoint_head`, which translates the config into the arguments of that head.
    """

    __init__ = configurable(native.StandardROIHeads.__init__)

    def __prepare_scriptable__(self) -> nn.Module:
        """Return the scriptable equivalent of this class; subclasses are scripted as they are."""
        return ScriptableROIHeads(self) if type(self) is StandardROIHeads else self

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: Shapes) -> dict[str, Any]:  # type: ignore[override]
        """Read the sampling arguments and build all heads enabled by the config."""
        described = super().from_config(cfg)
        described["train_on_pred_boxes"] = cfg.MODEL.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES
        described.update(cls._init_box_head(cfg, input_shape))
        described.update(cls._init_mask_head(cfg, input_shape))
        described.update(cls._init_keypoint_head(cfg, input_shape))
        return described

    @classmethod
    def _init_box_head(cls, cfg: CfgNode, input_shape: Shapes) -> dict[str, Any]:
        pooler, shape = _pooler_and_shape(cfg, cfg.MODEL.ROI_BOX_HEAD, input_shape)
        head = build_box_head(cfg, shape)
        return {
            "box_in_features": cfg.MODEL.ROI_HEADS.IN_FEATURES,
            "box_pooler": pooler,
            "box_head": head,
            "box_predictor": FastRCNNOutputLayers(cfg, head.output_shape),
        }

    @classmethod
    def _init_mask_head(cls, cfg: CfgNode, input_shape: Shapes) -> dict[str, Any]:
        if not cfg.MODEL.MASK_ON:
            return {}
        pooler, shape = _pooler_and_shape(cfg, cfg.MODEL.ROI_MASK_HEAD, input_shape)
        return {
            "mask_in_features": cfg.MODEL.ROI_HEADS.IN_FEATURES,
            "mask_pooler": pooler,
            "mask_head": build_mask_head(cfg, shape),
        }

    @classmethod
    def _init_keypoint_head(cls, cfg: CfgNode, input_shape: Shapes) -> dict[str, Any]:
        if not cfg.MODEL.KEYPOINT_ON:
            return {}
        pooler, shape = _pooler_and_shape(cfg, cfg.MODEL.ROI_KEYPOINT_HEAD, input_shape)
        return {
            "keypoint_in_features": cfg.MODEL.ROI_HEADS.IN_FEATURES,
            "keypoint_pooler": pooler,
            "keypoint_head": build_keypoint_head(cfg, shape),
        }


def _pooler_and_shape(cfg: CfgNode, settings: CfgNode, input_shape: Shapes) -> tuple[ROIPooler | None, Any]:
    """Return a head's pooler and input shape; if `POOLER_TYPE` is empty, None and the shapes of the feature maps."""
    names = cfg.MODEL.ROI_HEADS.IN_FEATURES
    if not settings.POOLER_TYPE:
        return None, {name: input_shape[name] for name in names}
    channels = {input_shape[name].channels for name in names}
    if len(channels) != 1:
        raise ValueError(f"StandardROIHeads: all feature maps must have the same channels, got {sorted(channels)}")
    size = settings.POOLER_RESOLUTION
    pooler = ROIPooler(
        output_size=size,
        scales=tuple(1.0 / input_shape[name].stride for name in names),
        sampling_ratio=settings.POOLER_SAMPLING_RATIO,
        pooler_type=settings.POOLER_TYPE,
    )
    return pooler, ShapeSpec(channels=channels.pop(), height=size, width=size)
