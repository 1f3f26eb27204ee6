"""Names and configs of the ResNet-FPN that most detectors of MMDetection use."""

from collections.abc import Iterable
from typing import Any

from omegaconf import DictConfig, open_dict
from torch import Tensor

from detectory.compat._pytorch_resnet import renamed, split_backbone
from detectory.core.config import LazyCall
from detectory.modeling.backbone import LastLevelP6P7

from .families import BGR, DETECTRON_BGR, RGB, BuildOptions, State
from .resnet_variant import Variant, read_variant

#: Members of MMDetection's convolutions, and their names here: convolution and group norm.
_LAYERS = (("conv", ""), ("gn", "norm."))


class PlainP6P7(LastLevelP6P7):
    """FPN levels P6 and P7 without an activation in between, as in MMDetection."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map `(B, in_channels, H, W)` to P6 and P7."""
        p6 = self.p6(x)
        return [p6, self.p7(p6)]


def convert_with_fpn(state: State, head_rules: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """Rename the entries of a detector with a ResNet-FPN.

    Args:
        state: Entries by MMDetection's names.
        head_rules: Regular expressions and replacements for the entries of the heads.

    Returns:
        The entries by our names.

    Raises:
        ValueError: If an entry belongs neither to the ResNet-FPN nor to the heads.
    """
    kept = {name: tensor for name, tensor in state.items() if not name.startswith("data_preprocessor.")}
    resnet, others = split_backbone(kept, "backbone.")
    return resnet | renamed(others, [*_fpn_rules(state), *head_rules], "convert_state_dict")


def _fpn_rules(state: State) -> list[tuple[str, str]]:
    laterals = sum(name.startswith("neck.lateral_convs.") and name.endswith(".conv.weight") for name in state)
    first = 6 - laterals
    inner = [
        (rf"neck\.lateral_convs\.{i}\.{layer}\.(\w+)", rf"backbone.fpn_lateral{first + i}.{norm}\1")
        for i in range(laterals)
        for layer, norm in _LAYERS
    ]
    outputs = [
        (
            rf"neck\.fpn_convs\.{i}\.{layer}\.(\w+)",
            rf"backbone.fpn_output{first + i}.{norm}\1" if i < laterals else rf"backbone.top_block.p{first + i}.\1",
        )
        for i in range(5)
        for layer, norm in _LAYERS
    ]
    return [*inner, *outputs]


def set_backbone(config: DictConfig, converted: State, options: BuildOptions, detectron_mean: bool = False) -> None:
    """Set the pixel statistics and the ResNet variant of a config.

    Args:
        config: Config of a model with `backbone.bottom_up`; modified in place.
        converted: Entries by our names.
        options: Style and version of the model.
        detectron_mean: Whether Caffe-style configs of this architecture use Detectron's pixel mean in all versions.
    """
    caffe = options.style == "caffe"
    bottom_up = config.backbone.bottom_up
    variant = read_variant(converted)
    with open_dict(config):
        config.update(_pixels(variant, options, detectron_mean))
        bottom_up.stem.norm = variant.norm
        bottom_up.stages = variant.stages(caffe)
        if "backbone.fpn_output5.norm.weight" in converted:
            config.backbone.norm = "GN"


def _pixels(variant: Variant, options: BuildOptions, detectron_mean: bool) -> dict[str, Any]:
    """Return the pixel statistics of the weights with which the training of a model began."""
    if variant.norm == "GN":
        return BGR  # Detectron's weights
    if variant.groups == 32 and variant.width_per_group == 8:
        return BGR | {"pixel_std": [57.375, 57.12, 58.395]}  # Detectron2's weights
    if options.style == "caffe":
        return DETECTRON_BGR if detectron_mean or options.version_1 else BGR
    return RGB


def set_top_block(config: DictConfig, converted: State, activation: bool) -> None:
    """Set the levels P6 and P7 of a config.

    Args:
        config: Config of a model with `backbone.top_block`; modified in place.
        converted: Entries by our names; the shape of P6's weight determines its input.
        activation: Whether a ReLU precedes P7.
    """
    channels = converted["backbone.top_block.p6.weight"].shape[1]
    with open_dict(config):
        config.backbone.top_block = LazyCall(LastLevelP6P7 if activation else PlainP6P7)(
            in_channels=channels, out_channels=256, in_feature="p5" if channels == 256 else "res5"
        )
