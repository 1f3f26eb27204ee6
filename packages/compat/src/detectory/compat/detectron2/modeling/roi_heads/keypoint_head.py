"""Keypoint heads and their registry."""

from collections.abc import Iterator
from typing import Any

from torch import nn

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling.scriptable import ScriptableKeypointHead
from detectory.compat.detectron2.utils.registry import Registry
from detectory.modeling import roi_heads as native
from detectory.modeling.roi_heads import keypoint_rcnn_inference, keypoint_rcnn_loss

__all__ = [
    "ROI_KEYPOINT_HEAD_REGISTRY",
    "_TOTAL_SKIPPED",
    "BaseKeypointRCNNHead",
    "KRCNNConvDeconvUpsampleHead",
    "build_keypoint_head",
    "keypoint_rcnn_inference",
    "keypoint_rcnn_loss",
]

ROI_KEYPOINT_HEAD_REGISTRY = Registry("ROI_KEYPOINT_HEAD")


class BaseKeypointRCNNHead(native.BaseKeypointRCNNHead):
    """`detectory.modeling.roi_heads.BaseKeypointRCNNHead` that can also be built from a config."""

    __init__ = configurable(native.BaseKeypointRCNNHead.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec | None = None) -> dict[str, Any]:
        """Read the arguments that are independent of the head's layers.

        Unless the loss is normalised by the number of visible keypoints, it is normalised by the maximum number of
        keypoints of the sampled foreground regions.
        """
        del input_shape
        settings = cfg.MODEL.ROI_KEYPOINT_HEAD
        heads = cfg.MODEL.ROI_HEADS
        possible = settings.NUM_KEYPOINTS * heads.BATCH_SIZE_PER_IMAGE * heads.POSITIVE_FRACTION
        return {
            "loss_weight": settings.LOSS_WEIGHT,
            "num_keypoints": settings.NUM_KEYPOINTS,
            "loss_normalizer": "visible" if settings.NORMALIZE_LOSS_BY_VISIBLE_KEYPOINTS else possible,
        }


@ROI_KEYPOINT_HEAD_REGISTRY.register()
class KRCNNConvDeconvUpsampleHead(BaseKeypointRCNNHead, native.KRCNNConvDeconvUpsampleHead):
    """`detectory.modeling.roi_heads.KRCNNConvDeconvUpsampleHead` that can also be built from a config.

    Iterating yields the layers up to the low-resolution heatmaps, as for an `nn.Sequential`.
    """

    __init__ = configurable(native.KRCNNConvDeconvUpsampleHead.__init__)

    def __iter__(self) -> Iterator[nn.Module]:
        yield from (*(getattr(self, name) for name in self._conv_names), self.score_lowres)

    def __prepare_scriptable__(self) -> nn.Module:
        """Return the scriptable equivalent of this class; subclasses are scripted as they are."""
        return ScriptableKeypointHead(self) if type(self) is KRCNNConvDeconvUpsampleHead else self

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec | None = None) -> dict[str, Any]:
        """Read the arguments from `MODEL.ROI_KEYPOINT_HEAD`."""
        return {
            **super().from_config(cfg, input_shape),
            "input_shape": input_shape,
            "conv_dims": cfg.MODEL.ROI_KEYPOINT_HEAD.CONV_DIMS,
        }


def build_keypoint_head(cfg: CfgNode, input_shape: ShapeSpec) -> nn.Module:
    """Build the head named by `MODEL.ROI_KEYPOINT_HEAD.NAME` for region features of this shape."""
    return ROI_KEYPOINT_HEAD_REGISTRY.get(cfg.MODEL.ROI_KEYPOINT_HEAD.NAME)(cfg, input_shape)


_TOTAL_SKIPPED = 0  # number of batches without visible keypoints
