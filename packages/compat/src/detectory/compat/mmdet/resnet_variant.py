"""Variants of the ResNets of MMDetection: ResNeXt, group norm, and deformable convolutions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig
from torch import Tensor

from detectory.compat._pytorch_resnet import resnet_depth
from detectory.core.config import LazyCall
from detectory.modeling.backbone import BottleneckBlock, DeformBottleneckBlock, ResNet
from detectory.modeling.backbone.resnet import BLOCKS_PER_STAGE

_BACKBONE = r"backbone\.bottom_up\."
_STAGES = (2, 3, 4, 5)

#: Offset channels per group of a deformable convolution: nine samples with two offsets, and with a factor.
_CHANNELS, _MODULATED_CHANNELS = 18, 27


@dataclass(frozen=True)
class Variant:
    """A ResNet as its weights describe it.

    Args:
        depth: Number of layers.
        groups: Groups of the 3×3 convolutions; more than 1 for ResNeXt.
        width_per_group: Channels per group in the first stage.
        norm: `"FrozenBN"` or `"GN"`.
        offsets: Offset channels of the deformable convolutions, by the number of the stage; 0 without any.
    """

    depth: int
    groups: int
    width_per_group: int
    norm: str
    offsets: Mapping[int, int]

    def stages(self, stride_in_1x1: bool) -> DictConfig | list[DictConfig]:
        """Return the config of the stages.

        Args:
            stride_in_1x1: Whether strides are in the 1×1 convolutions.
        """
        is_plain = self.groups == 1 and not any(self.offsets.values())
        if is_plain:
            return LazyCall(ResNet.make_default_stages)(depth=self.depth, stride_in_1x1=stride_in_1x1, norm=self.norm)
        return [self._stage(index, stride_in_1x1) for index in range(len(_STAGES))]

    def _stage(self, index: int, stride_in_1x1: bool) -> DictConfig:
        blocks = BLOCKS_PER_STAGE[self.depth][index]
        channels = self.offsets[_STAGES[index]]
        deformable: dict[str, Any] = {}
        if channels:
            is_modulated = channels % _MODULATED_CHANNELS == 0
            per_group = _MODULATED_CHANNELS if is_modulated else _CHANNELS
            deformable = {"deform_modulated": is_modulated, "deform_num_groups": channels // per_group}
        return LazyCall(ResNet.make_stage)(
            block_class=DeformBottleneckBlock if channels else BottleneckBlock,
            num_blocks=blocks,
            stride_per_block=[1 if index == 0 else 2] + [1] * (blocks - 1),
            in_channels=64 if index == 0 else 128 * 2**index,
            out_channels=256 * 2**index,
            bottleneck_channels=self.groups * self.width_per_group * 2**index,
            num_groups=self.groups,
            norm=self.norm,
            stride_in_1x1=stride_in_1x1,
            **deformable,
        )


def read_variant(converted: Mapping[str, Tensor]) -> Variant:
    """Return the variant of the ResNet of a model.

    Args:
        converted: Entries by our names, the ResNet under `backbone.bottom_up`.

    Raises:
        ValueError: If no published depth has this number of blocks.
    """
    weight = converted["backbone.bottom_up.res2.0.conv2.weight"]
    channels, per_group = weight.shape[:2]
    has_statistics = "backbone.bottom_up.stem.conv1.norm.running_mean" in converted
    offsets = dict.fromkeys(_STAGES, 0)
    for name, tensor in converted.items():
        if match := re.fullmatch(rf"{_BACKBONE}res(\d)\.0\.conv2_offset\.weight", name):
            offsets[int(match[1])] = len(tensor)
    return Variant(
        depth=resnet_depth(converted),
        groups=channels // per_group,
        width_per_group=per_group,
        norm="FrozenBN" if has_statistics else "GN",
        offsets=offsets,
    )
