"""ResNet and ResNeXt backbones with their pre-trained weights and pixel statistics.

Source: He et al., "Deep Residual Learning for Image Recognition", 2016; Xie et al., "Aggregated Residual
Transformations for Deep Neural Networks", 2017; Dai et al., "Deformable Convolutional Networks", 2017.
"""

from dataclasses import dataclass

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.modeling.backbone import BasicBlock, BasicStem, BottleneckBlock, DeformBottleneckBlock, ResNet
from detectory.modeling.backbone.resnet import BLOCKS_PER_STAGE

BGR_MEAN = [103.53, 116.28, 123.675]
RGB_MEAN = [123.675, 116.28, 103.53]
RGB_STD = [58.395, 57.12, 57.375]
BGR_STD = RGB_STD[::-1]
UNIT_STD = [1.0, 1.0, 1.0]

RESNET_50 = "detectron2://ImageNetPretrained/MSRA/R-50.pkl"
#: ImageNet weights for RGB images, normalized by `RGB_MEAN` and `RGB_STD`.
RESNET_18 = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
_DETECTRON = "https://dl.fbaipublicfiles.com/detectron/ImageNetPretrained"


@dataclass(frozen=True)
class ResNetVariant:
    """The settings in which the zoo's bottleneck ResNets differ.

    Args:
        depth: 50, 101 or 152.
        weights: Pre-trained weights; empty for random initialisation.
        num_groups: Groups of the 3x3 convolutions, more than one for ResNeXt.
        width_per_group: Channels per group in res2.
        stride_in_1x1: Whether the stride is in the first 1x1 convolution (MSRA's weights) or in the 3x3 convolution.
        norm: Normalisation layer.
        freeze_at: Number of frozen stages, counting the stem.
        deformable: Whether res3 to res5 use deformable convolutions.
        dilated: Whether res5 is dilated by 2 instead of strided.
        pixel_std: Standard deviation of the pixels in BGR order; 1 if it is contained in the weights.
    """

    depth: int = 50
    weights: str = RESNET_50
    num_groups: int = 1
    width_per_group: int = 64
    stride_in_1x1: bool = True
    norm: str = "FrozenBN"
    freeze_at: int = 2
    deformable: bool = False
    dilated: bool = False
    pixel_std: tuple[float, ...] = (1.0, 1.0, 1.0)


R_50 = ResNetVariant()
R_101 = ResNetVariant(depth=101, weights="detectron2://ImageNetPretrained/MSRA/R-101.pkl")
X_101 = ResNetVariant(
    depth=101,
    weights="detectron2://ImageNetPretrained/FAIR/X-101-32x8d.pkl",
    num_groups=32,
    width_per_group=8,
    stride_in_1x1=False,
    pixel_std=tuple(BGR_STD),
)
X_152_DEFORMABLE = ResNetVariant(
    depth=152,
    weights=f"{_DETECTRON}/25093814/X-152-32x8d-IN5k.pkl",
    num_groups=32,
    width_per_group=8,
    stride_in_1x1=False,
    deformable=True,
)
R_50_GN = ResNetVariant(weights=f"{_DETECTRON}/47261647/R-50-GN.pkl", stride_in_1x1=False, norm="GN")
R_101_GN_DEFORMABLE = ResNetVariant(
    depth=101, weights=f"{_DETECTRON}/47592356/R-101-GN.pkl", stride_in_1x1=False, norm="GN", deformable=True
)


def resnet(depth: int = 50, out_features: tuple[str, ...] = ("res2", "res3", "res4", "res5")) -> DictConfig:
    """Return a ResNet with frozen batch norms and two frozen stages, as MSRA's weights require."""
    return LazyCall(ResNet)(
        stem=LazyCall(BasicStem)(in_channels=3, out_channels=64, norm="FrozenBN"),
        stages=LazyCall(ResNet.make_default_stages)(depth=depth, stride_in_1x1=True, norm="FrozenBN"),
        out_features=list(out_features),
        freeze_at=2,
    )


def resnet_18(
    width: int = 64, norm: str = "BN", out_features: tuple[str, ...] = ("res2", "res3", "res4", "res5")
) -> DictConfig:
    """Return a ResNet-18 with trainable norms and `width` channels in stem and res2; the published one has 64."""
    stages = [
        LazyCall(ResNet.make_stage)(
            block_class=BasicBlock,
            num_blocks=num_blocks,
            stride_per_block=[1 if index == 0 else 2, 1],
            in_channels=width * 2 ** max(index - 1, 0),
            out_channels=width * 2**index,
            norm=norm,
        )
        for index, num_blocks in enumerate(BLOCKS_PER_STAGE[18])
    ]
    return LazyCall(ResNet)(
        stem=LazyCall(BasicStem)(in_channels=3, out_channels=width, norm=norm),
        stages=stages,
        out_features=list(out_features),
        freeze_at=0,
    )


def use_resnet(model: DictConfig, variant: ResNetVariant) -> DictConfig:
    """Replace the ResNet of a model, in place; its output features stay the same."""
    on_pyramid = "bottom_up" in model.backbone
    current = model.backbone.bottom_up if on_pyramid else model.backbone
    backbone = LazyCall(ResNet)(
        stem=LazyCall(BasicStem)(in_channels=3, out_channels=64, norm=variant.norm),
        stages=_stages(variant),
        out_features=list(current.out_features),
        freeze_at=variant.freeze_at,
    )
    if on_pyramid:
        model.backbone.bottom_up = backbone
    else:
        model.backbone = backbone
    model.pixel_std = list(variant.pixel_std)
    return model


def _stages(variant: ResNetVariant) -> list[DictConfig]:
    stages = []
    for index, num_blocks in enumerate(BLOCKS_PER_STAGE[variant.depth]):
        is_dilated = variant.dilated and index == 3
        first_stride = 1 if index == 0 or is_dilated else 2
        stages.append(
            LazyCall(ResNet.make_stage)(
                block_class=DeformBottleneckBlock if variant.deformable and index > 0 else BottleneckBlock,
                num_blocks=num_blocks,
                stride_per_block=[first_stride] + [1] * (num_blocks - 1),
                in_channels=64 if index == 0 else 128 * 2**index,
                out_channels=256 * 2**index,
                bottleneck_channels=variant.num_groups * variant.width_per_group * 2**index,
                num_groups=variant.num_groups,
                norm=variant.norm,
                stride_in_1x1=variant.stride_in_1x1,
                dilation=2 if is_dilated else 1,
            )
        )
    return stages
