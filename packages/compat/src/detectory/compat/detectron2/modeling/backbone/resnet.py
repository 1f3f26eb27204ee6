"""ResNets and their builder."""

from collections.abc import Sequence
from typing import Any

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.layers import (
    CNNBlockBase,
    Conv2d,
    DeformConv,
    ModulatedDeformConv,
    ShapeSpec,
    get_norm,
)
from detectory.compat.detectron2.modeling.backbone.backbone import Backbone
from detectory.compat.detectron2.modeling.backbone.build import BACKBONE_REGISTRY
from detectory.modeling import backbone as native
from detectory.modeling.backbone import BasicBlock, BasicStem, BottleneckBlock, DeformBottleneckBlock

__all__ = [
    "BACKBONE_REGISTRY",
    "Backbone",
    "BasicBlock",
    "BasicStem",
    "BottleneckBlock",
    "CNNBlockBase",
    "Conv2d",
    "DeformBottleneckBlock",
    "DeformConv",
    "ModulatedDeformConv",
    "ResNet",
    "ResNetBlockBase",
    "ShapeSpec",
    "build_resnet_backbone",
    "get_norm",
    "make_stage",
]

ResNetBlockBase = CNNBlockBase

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


class ResNet(native.ResNet):
    """`detectory.modeling.backbone.ResNet` with its stages in a list, as Detectron2's subclasses use it.

    Attributes:
        stages: The stages in order.
    """

    def __init__(
        self,
        stem: Any,
        stages: Sequence[Sequence[CNNBlockBase]],
        num_classes: int | None = None,
        out_features: Sequence[str] | None = None,
        freeze_at: int = 0,
    ) -> None:
        super().__init__(stem, stages, num_classes, out_features, freeze_at)
        self.stages = [getattr(self, name) for name in self.stage_names]


def make_stage(*args: Any, **kwargs: Any) -> list[CNNBlockBase]:
    """Build a stage with `ResNet.make_stage`; the function form of early Detectron2 versions."""
    return ResNet.make_stage(*args, **kwargs)


@BACKBONE_REGISTRY.register()
def build_resnet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> ResNet:
    """Build the ResNet or ResNeXt that `MODEL.RESNETS` and `MODEL.BACKBONE.FREEZE_AT` describe.

    Raises:
        ValueError: If the depth or dilation is invalid, or depth 18 or 34 is combined with bottleneck-only settings.
    """
    settings = cfg.MODEL.RESNETS
    _check(settings)
    stem = BasicStem(in_channels=input_shape.channels, out_channels=settings.STEM_OUT_CHANNELS, norm=settings.NORM)
    stages = []
    in_channels, out_channels = settings.STEM_OUT_CHANNELS, settings.RES2_OUT_CHANNELS
    bottleneck_channels = settings.NUM_GROUPS * settings.WIDTH_PER_GROUP
    # Stages after the last output are built and dropped, so that a seed produces the same weights as in Detectron2.
    for index, stage in enumerate(range(2, 6)):
        dilated = stage == 5 and settings.RES5_DILATION == 2
        first_stride = 1 if index == 0 or dilated else 2
        num_blocks = BLOCKS[settings.DEPTH][index]
        described: dict[str, Any] = {
            "num_blocks": num_blocks,
            "stride_per_block": [first_stride] + [1] * (num_blocks - 1),
            "in_channels": in_channels,
            "out_channels": out_channels,
            "norm": settings.NORM,
            "block_class": BasicBlock,
        }
        if settings.DEPTH > 34:
            described |= {
                "block_class": BottleneckBlock,
                "bottleneck_channels": bottleneck_channels,
                "stride_in_1x1": settings.STRIDE_IN_1X1,
                "dilation": 2 if dilated else 1,
                "num_groups": settings.NUM_GROUPS,
            }
            if settings.DEFORM_ON_PER_STAGE[index]:
                described |= {
                    "block_class": DeformBottleneckBlock,
                    "deform_modulated": settings.DEFORM_MODULATED,
                    "deform_num_groups": settings.DEFORM_NUM_GROUPS,
                }
        stages.append(ResNet.make_stage(**described))
        in_channels, out_channels, bottleneck_channels = out_channels, out_channels * 2, bottleneck_channels * 2
    return ResNet(stem, stages, out_features=settings.OUT_FEATURES, freeze_at=cfg.MODEL.BACKBONE.FREEZE_AT)


def _check(settings: CfgNode) -> None:
    if settings.DEPTH not in BLOCKS:
        raise ValueError(f"MODEL.RESNETS.DEPTH must be one of {sorted(BLOCKS)}, got {settings.DEPTH}")
    if settings.RES5_DILATION not in (1, 2):
        raise ValueError(f"MODEL.RESNETS.RES5_DILATION must be 1 or 2, got {settings.RES5_DILATION}")
    if len(settings.DEFORM_ON_PER_STAGE) != 4:
        raise ValueError(
            "MODEL.RESNETS.DEFORM_ON_PER_STAGE must be four booleans, one per stage,"
            f" got {settings.DEFORM_ON_PER_STAGE}"
        )
    if settings.DEPTH > 34:
        return
    needed = {"RES2_OUT_CHANNELS": 64, "RES5_DILATION": 1, "NUM_GROUPS": 1}
    for key, value in needed.items():
        if settings[key] != value:
            raise ValueError(f"MODEL.RESNETS.{key} must be {value} for depth {settings.DEPTH}, got {settings[key]}")
    if any(settings.DEFORM_ON_PER_STAGE):
        raise ValueError(f"MODEL.RESNETS.DEFORM_ON_PER_STAGE is not supported for depth {settings.DEPTH}")
