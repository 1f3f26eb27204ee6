"""DeepLab's ResNet, with a deeper stem and dilated last stages."""

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.layers import CNNBlockBase, Conv2d, ShapeSpec, get_norm
from detectory.compat.detectron2.modeling.backbone.build import BACKBONE_REGISTRY
from detectory.compat.detectron2.modeling.backbone.resnet import BLOCKS
from detectory.modeling.backbone import BasicStem, BottleneckBlock, DeformBottleneckBlock, ResNet
from detectory.modeling.layers import c2_msra_fill

__all__ = ["DeepLabStem", "build_resnet_deeplab_backbone"]

_STAGES = ("res2", "res3", "res4", "res5")


class DeepLabStem(CNNBlockBase):
    """Three 3×3 convolutions, the first with stride 2, and 3×3 max pooling with stride 2.

    Args:
        in_channels: Channels of the images.
        out_channels: Channels of the output; the first two convolutions have half as many.
        norm: Norm after every convolution.
    """

    def __init__(self, in_channels: int = 3, out_channels: int = 128, norm: Any = "BN") -> None:
        super().__init__(in_channels, out_channels, 4)
        half = out_channels // 2
        self.conv1 = _convolution(in_channels, half, norm, stride=2)
        self.conv2 = _convolution(half, half, norm)
        self.conv3 = _convolution(half, out_channels, norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` to `(B, out_channels, H / 4, W / 4)`."""
        for convolution in (self.conv1, self.conv2, self.conv3):
            x = F.relu_(convolution(x))
        return F.max_pool2d(x, kernel_size=3, stride=2, padding=1)


def _convolution(in_channels: int, out_channels: int, norm: Any, stride: int = 1) -> Conv2d:
    layer = Conv2d(
        in_channels, out_channels, 3, stride=stride, padding=1, bias=False, norm=get_norm(norm, out_channels)
    )
    c2_msra_fill(layer)
    return layer


@BACKBONE_REGISTRY.register()
def build_resnet_deeplab_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> ResNet:
    """Build the dilated ResNet that `MODEL.RESNETS` and `MODEL.BACKBONE.FREEZE_AT` describe.

    Raises:
        ValueError: If the depth has no bottleneck blocks, the stem is unknown, or the dilations are incompatible.
    """
    settings = cfg.MODEL.RESNETS
    _check(settings)
    stem_class = {"basic": BasicStem, "deeplab": DeepLabStem}[settings.STEM_TYPE]
    stem = stem_class(input_shape.channels, settings.STEM_OUT_CHANNELS, settings.NORM)
    last = max(_STAGES.index(name) for name in settings.OUT_FEATURES if name in _STAGES)
    stages = []
    in_channels = settings.STEM_OUT_CHANNELS
    for index in range(last + 1):
        stages.append(_stage(settings, index, in_channels))
        in_channels = settings.RES2_OUT_CHANNELS * 2**index
    return ResNet(stem, stages, out_features=settings.OUT_FEATURES).freeze(cfg.MODEL.BACKBONE.FREEZE_AT)


def _stage(settings: CfgNode, index: int, in_channels: int) -> list[CNNBlockBase]:
    num_blocks = BLOCKS[settings.DEPTH][index]
    dilation = {2: settings.RES4_DILATION, 3: settings.RES5_DILATION}.get(index, 1)
    first_stride = 1 if index == 0 or dilation > 1 else 2
    described: dict[str, Any] = {
        "block_class": BottleneckBlock,
        "num_blocks": num_blocks,
        "stride_per_block": [first_stride] + [1] * (num_blocks - 1),
        "in_channels": in_channels,
        "out_channels": settings.RES2_OUT_CHANNELS * 2**index,
        "bottleneck_channels": settings.NUM_GROUPS * settings.WIDTH_PER_GROUP * 2**index,
        "num_groups": settings.NUM_GROUPS,
        "norm": settings.NORM,
        "stride_in_1x1": settings.STRIDE_IN_1X1,
    }
    if index == 3:
        described["dilation_per_block"] = [dilation * factor for factor in settings.RES5_MULTI_GRID]
    else:
        described["dilation"] = dilation
    if settings.DEFORM_ON_PER_STAGE[index]:
        described |= {
            "block_class": DeformBottleneckBlock,
            "deform_modulated": settings.DEFORM_MODULATED,
            "deform_num_groups": settings.DEFORM_NUM_GROUPS,
        }
    return ResNet.make_stage(**described)


def _check(settings: CfgNode) -> None:
    depths = [depth for depth in BLOCKS if depth > 34]
    if settings.DEPTH not in depths:
        raise ValueError(f"MODEL.RESNETS.DEPTH must be one of {depths} for DeepLab, got {settings.DEPTH}")
    if settings.STEM_TYPE not in ("basic", "deeplab"):
        raise ValueError(f"MODEL.RESNETS.STEM_TYPE must be 'basic' or 'deeplab', got {settings.STEM_TYPE!r}")
    allowed = {1: (1, 2), 2: (4,)}  # the dilation of res5 continues from that of res4
    dilations = settings.RES4_DILATION, settings.RES5_DILATION
    if dilations[1] not in allowed.get(dilations[0], ()):
        raise ValueError(
            "MODEL.RESNETS.RES4_DILATION and RES5_DILATION must be 1 and 1, 1 and 2, or 2 and 4,"
            f" got {dilations[0]} and {dilations[1]}"
        )
