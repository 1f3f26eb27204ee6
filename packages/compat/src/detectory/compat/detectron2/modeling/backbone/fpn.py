"""Feature pyramid networks and their builders."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import nn

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.layers import Conv2d, ShapeSpec, get_norm
from detectory.compat.detectron2.modeling.backbone.backbone import Backbone
from detectory.compat.detectron2.modeling.backbone.build import BACKBONE_REGISTRY
from detectory.compat.detectron2.modeling.backbone.resnet import build_resnet_backbone
from detectory.modeling import backbone as native
from detectory.modeling.backbone import LastLevelMaxPool, LastLevelP6P7
from detectory.modeling.backbone.fpn import _ScriptableFPN
from detectory.modeling.layers.norms import NormSpec

__all__ = [
    "BACKBONE_REGISTRY",
    "FPN",
    "Backbone",
    "Conv2d",
    "LastLevelMaxPool",
    "LastLevelP6P7",
    "ShapeSpec",
    "build_resnet_backbone",
    "build_resnet_fpn_backbone",
    "build_retinanet_resnet_fpn_backbone",
    "get_norm",
]


def _assert_strides_are_log2_contiguous(strides: Sequence[int]) -> None:
    """Check that each stride is twice the previous one.

    Raises:
        AssertionError: If it is not.
    """
    for finer, coarser in pairwise(strides):
        if coarser != 2 * finer:
            raise AssertionError(f"each stride must be twice the previous one, got {finer} and {coarser}")


class FPN(native.FPN):
    """`detectory.modeling.backbone.FPN` with the attributes that Detectron2's subclasses use.

    Attributes:
        lateral_convs: The lateral convolutions, from coarse to fine.
        output_convs: The output convolutions, from coarse to fine.
    """

    def __init__(
        self,
        bottom_up: Backbone,
        in_features: Sequence[str],
        out_channels: int,
        norm: NormSpec = "",
        top_block: Any = None,
        fuse_type: str = "sum",
        square_pad: int = 0,
    ) -> None:
        super().__init__(bottom_up, in_features, out_channels, norm, top_block, fuse_type, square_pad)
        # Plain lists: the convolutions are already registered under their names.
        self.lateral_convs = [getattr(self, f"fpn_lateral{level}") for level in reversed(self._levels)]
        self.output_convs = [getattr(self, f"fpn_output{level}") for level in reversed(self._levels)]
        self._fuse_type = fuse_type
        self._size_divisibility = super().size_divisibility
        self._square_pad = square_pad

    @property
    def size_divisibility(self) -> int:
        """The number that height and width of the input must be multiples of."""
        return self._size_divisibility

    @property
    def padding_constraints(self) -> dict[str, int]:
        """The square that images are padded to, if there is one."""
        return {"square_size": self._square_pad} if self._square_pad else {}

    def __prepare_scriptable__(self) -> nn.Module:
        """Return the scriptable equivalent of this class; subclasses are scripted as they are."""
        return _ScriptableFPN(self) if type(self) is FPN else self


@BACKBONE_REGISTRY.register()
def build_resnet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """Build a ResNet-FPN whose last level is max-pooled (p6)."""
    return FPN(
        bottom_up=build_resnet_backbone(cfg, input_shape),
        in_features=cfg.MODEL.FPN.IN_FEATURES,
        out_channels=cfg.MODEL.FPN.OUT_CHANNELS,
        norm=cfg.MODEL.FPN.NORM,
        top_block=LastLevelMaxPool(),
        fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
    )


@BACKBONE_REGISTRY.register()
def build_retinanet_resnet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """Build a ResNet-FPN whose last levels are convolutions of res5 (p6, p7)."""
    bottom_up = build_resnet_backbone(cfg, input_shape)
    out_channels = cfg.MODEL.FPN.OUT_CHANNELS
    return FPN(
        bottom_up=bottom_up,
        in_features=cfg.MODEL.FPN.IN_FEATURES,
        out_channels=out_channels,
        norm=cfg.MODEL.FPN.NORM,
        top_block=LastLevelP6P7(bottom_up.output_shape()["res5"].channels, out_channels),
        fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
    )
