"""Mask heads and their registry."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor, nn

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling.scriptable import ScriptableMaskHead
from detectory.compat.detectron2.utils.registry import Registry
from detectory.modeling import roi_heads as native
from detectory.modeling.layers.norms import NormSpec
from detectory.modeling.roi_heads import mask_rcnn_inference
from detectory.structures import Instances

__all__ = [
    "ROI_MASK_HEAD_REGISTRY",
    "BaseMaskRCNNHead",
    "MaskRCNNConvUpsampleHead",
    "build_mask_head",
    "mask_rcnn_inference",
    "mask_rcnn_loss",
]

ROI_MASK_HEAD_REGISTRY = Registry("ROI_MASK_HEAD")


def mask_rcnn_loss(pred_mask_logits: Tensor, instances: Sequence[Instances], vis_period: int = 0) -> Tensor:
    """Return the mask loss; see `detectory.modeling.roi_heads.mask_rcnn_loss`.

    Args:
        pred_mask_logits: `(R, K, M, M)`, or `(R, 1, M, M)` for class-agnostic masks.
        instances: Sampled proposals of each image with `gt_classes` and `gt_masks`.
        vis_period: Ignored: trainings are visualized by the hook of the trainer.
    """
    del vis_period
    return native.mask_rcnn_loss(pred_mask_logits, instances)


class BaseMaskRCNNHead(native.BaseMaskRCNNHead):
    """`detectory.modeling.roi_heads.BaseMaskRCNNHead` that can also be built from a config."""

    __init__ = configurable(native.BaseMaskRCNNHead.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec | None = None) -> dict[str, Any]:
        """Read the arguments that are independent of the head's layers."""
        del input_shape
        return {"vis_period": cfg.VIS_PERIOD}


@ROI_MASK_HEAD_REGISTRY.register()
class MaskRCNNConvUpsampleHead(BaseMaskRCNNHead, native.MaskRCNNConvUpsampleHead):
    """`detectory.modeling.roi_heads.MaskRCNNConvUpsampleHead` that can also be built from a config.

    Iterating yields the layers in the order of `layers`, as for an `nn.Sequential`.

    Attributes:
        conv_norm_relus: The convolutions with their norms and activations.
    """

    @configurable
    def __init__(
        self,
        input_shape: ShapeSpec,
        *,
        num_classes: int,
        conv_dims: Sequence[int],
        conv_norm: NormSpec = "",
        **kwargs: Any,
    ) -> None:
        native.MaskRCNNConvUpsampleHead.__init__(
            self, input_shape, num_classes=num_classes, conv_dims=conv_dims, conv_norm=conv_norm, **kwargs
        )
        # A plain list: the layers are already registered under their names.
        self.conv_norm_relus = [getattr(self, name) for name in self._conv_names]

    def __iter__(self) -> Iterator[nn.Module]:
        yield from (*self.conv_norm_relus, self.deconv, nn.ReLU(), self.predictor)

    def __prepare_scriptable__(self) -> nn.Module:
        """Return the scriptable equivalent of this class; subclasses are scripted as they are."""
        return ScriptableMaskHead(self) if type(self) is MaskRCNNConvUpsampleHead else self

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec | None = None) -> dict[str, Any]:
        """Read the arguments from `MODEL.ROI_MASK_HEAD`."""
        settings = cfg.MODEL.ROI_MASK_HEAD
        return {
            **super().from_config(cfg, input_shape),
            "input_shape": input_shape,
            "conv_dims": [settings.CONV_DIM] * (settings.NUM_CONV + 1),  # the last entry is the deconvolution
            "conv_norm": settings.NORM,
            "num_classes": 1 if settings.CLS_AGNOSTIC_MASK else cfg.MODEL.ROI_HEADS.NUM_CLASSES,
        }


def build_mask_head(cfg: CfgNode, input_shape: ShapeSpec) -> nn.Module:
    """Build the head named by `MODEL.ROI_MASK_HEAD.NAME` for region features of this shape."""
    return ROI_MASK_HEAD_REGISTRY.get(cfg.MODEL.ROI_MASK_HEAD.NAME)(cfg, input_shape)
