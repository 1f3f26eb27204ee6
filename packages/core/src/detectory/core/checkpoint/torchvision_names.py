"""Conversion of the parameter names of torchvision's ResNets."""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

_LAST_LAYER = ("fc.weight", "fc.bias")


def resnet_name(name: str) -> str | None:
    """Return our name for an entry of torchvision's ResNet such as `layer1.0.bn2.weight`, or None for other entries."""
    if match := re.fullmatch(r"(conv1|bn1)\.(\w+)", name):
        return f"stem.conv1.{'norm.' if match[1] == 'bn1' else ''}{match[2]}"
    if match := re.fullmatch(r"layer([1-4])\.(\d+)\.(conv|bn)(\d)\.(\w+)", name):
        stage, block, layer, number, entry = match.groups()
        return f"res{int(stage) + 1}.{block}.conv{number}.{'norm.' if layer == 'bn' else ''}{entry}"
    if match := re.fullmatch(r"layer([1-4])\.(\d+)\.downsample\.([01])\.(\w+)", name):
        stage, block, part, entry = match.groups()
        return f"res{int(stage) + 1}.{block}.shortcut.{'norm.' if part == '1' else ''}{entry}"
    return None


def is_torchvision_resnet(state: Iterable[str]) -> bool:
    """Whether these are the names of a ResNet of torchvision, with or without its classifier."""
    names = [name for name in state if name not in _LAST_LAYER]
    return "layer1.0.conv1.weight" in names and all(resnet_name(name) is not None for name in names)


def convert_torchvision_resnet(state: Mapping[str, Tensor], with_classifier: bool = False) -> dict[str, Tensor]:
    """Return the parameters of a torchvision ResNet under our names, without counters.

    Args:
        state: The tensors by torchvision's names.
        with_classifier: Whether to keep the classifier, as `linear`.
    """
    converted = {}
    for name, tensor in state.items():
        if name in _LAST_LAYER:
            ours = name.replace("fc.", "linear.") if with_classifier else None
        else:
            ours = resnet_name(name)
        if ours is not None and not ours.endswith("num_batches_tracked"):
            converted[ours] = tensor
    return converted
