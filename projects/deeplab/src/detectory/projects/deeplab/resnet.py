"""DeepLab's ResNet, with a deeper stem and dilated last stages."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from detectory.modeling.backbone import BasicStem, BottleneckBlock, DeformBottleneckBlock, ResNet
from detectory.modeling.backbone.resnet import BLOCKS_PER_STAGE
from detectory.modeling.layers import CNNBlockBase, Conv2d, c2_msra_fill, get_norm

__all__ = ["DeepLabStem", "deeplab_resnet"]

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


def deeplab_resnet(
    depth: int = 101,
    *,
    in_channels: int = 3,
    stem_type: str = "deeplab",
    stem_out_channels: int = 128,
    res2_out_channels: int = 256,
    num_groups: int = 1,
    width_per_group: int = 64,
    norm: Any = "BN",
    stride_in_1x1: bool = False,
    res4_dilation: int = 1,
    res5_dilation: int = 2,
    res5_multi_grid: Sequence[int] = (1, 2, 4),
    deform_on_per_stage: Sequence[bool] = (False, False, False, False),
    deform_modulated: bool = False,
    deform_num_groups: int = 1,
    out_features: Sequence[str] = ("res2", "res5"),
    freeze_at: int = 0,
) -> ResNet:
    """Return a ResNet with bottleneck blocks, dilated instead of strided last stages, and a multi-grid in res5.

    Args:
        depth: Number of layers: 50, 101 or 152.
        in_channels: Channels of the images.
        stem_type: `"deeplab"` or `"basic"` (one 7×7 convolution).
        stem_out_channels: Channels of the stem.
        res2_out_channels: Channels of res2, doubled by every later stage.
        num_groups: Groups of the 3×3 convolutions.
        width_per_group: Channels per group in res2.
        norm: Norm after every convolution.
        stride_in_1x1: Whether the stride is in the first 1×1 convolution instead of the 3×3 convolution.
        res4_dilation: Dilation of res4; 2 for an output stride of 8.
        res5_dilation: Dilation of res5: 1, 2 (output stride 16), or 4 if `res4_dilation` is 2.
        res5_multi_grid: Factors of the dilation of the blocks of res5.
        deform_on_per_stage: For each stage, whether its blocks use deformable convolutions.
        deform_modulated: Whether deformable convolutions are modulated.
        deform_num_groups: Groups of the offsets of deformable convolutions.
        out_features: Names of the returned feature maps.
        freeze_at: Number of frozen stages, counting the stem.

    Raises:
        ValueError: If the depth has no bottleneck blocks, the stem is unknown, or the dilations are incompatible.

    Source: Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017, section 3.
    """
    _check(depth, stem_type, res4_dilation, res5_dilation)
    stem_class = {"basic": BasicStem, "deeplab": DeepLabStem}[stem_type]
    last = max(_STAGES.index(name) for name in out_features if name in _STAGES)
    stages, channels = [], stem_out_channels
    for index, num_blocks in enumerate(BLOCKS_PER_STAGE[depth][: last + 1]):
        dilation = {2: res4_dilation, 3: res5_dilation}.get(index, 1)
        first_stride = 1 if index == 0 or dilation > 1 else 2
        described: dict[str, Any] = {
            "block_class": BottleneckBlock,
            "num_blocks": num_blocks,
            "stride_per_block": [first_stride] + [1] * (num_blocks - 1),
            "in_channels": channels,
            "out_channels": res2_out_channels * 2**index,
            "bottleneck_channels": num_groups * width_per_group * 2**index,
            "num_groups": num_groups,
            "norm": norm,
            "stride_in_1x1": stride_in_1x1,
        }
        if index == 3:
            described["dilation_per_block"] = [dilation * factor for factor in res5_multi_grid]
        else:
            described["dilation"] = dilation
        if deform_on_per_stage[index]:
            described |= {"block_class": DeformBottleneckBlock, "deform_modulated": deform_modulated}
            described["deform_num_groups"] = deform_num_groups
        stages.append(ResNet.make_stage(**described))
        channels = res2_out_channels * 2**index
    stem = stem_class(in_channels, stem_out_channels, norm)
    return ResNet(stem, stages, out_features=list(out_features)).freeze(freeze_at)


def _check(depth: int, stem_type: str, res4_dilation: int, res5_dilation: int) -> None:
    depths = [known for known in BLOCKS_PER_STAGE if known > 34]
    if depth not in depths:
        raise ValueError(f"deeplab_resnet: depth must be one of {depths}, got {depth}")
    if stem_type not in ("basic", "deeplab"):
        raise ValueError(f"deeplab_resnet: stem_type must be 'basic' or 'deeplab', got {stem_type!r}")
    allowed = {1: (1, 2), 2: (4,)}  # the dilation of res5 continues from that of res4
    if res5_dilation not in allowed.get(res4_dilation, ()):
        raise ValueError(
            "deeplab_resnet: res4_dilation and res5_dilation must be 1 and 1, 1 and 2, or 2 and 4,"
            f" got {res4_dilation} and {res5_dilation}"
        )
