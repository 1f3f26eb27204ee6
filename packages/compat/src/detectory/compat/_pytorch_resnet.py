"""Conversions shared by torchvision and MMDetection: ResNet parameter names and anchor order."""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from detectory.core.checkpoint.torchvision_names import resnet_name
from detectory.modeling.backbone.resnet import BLOCKS_PER_STAGE

_OFFSET = re.compile(r"layer([1-4])\.(\d+)\.conv2\.conv_offset\.(\w+)")
_GROUP_NORM = re.compile(r"((?:^|\.))gn(?=\d\.)")


def resnet_depth(names: Iterable[str]) -> int:
    """Return the depth of a ResNet, given our names of its parameters.

    Raises:
        ValueError: If no published depth has these numbers of blocks.
    """
    matches = [re.search(r"\bres([2-5])\.(\d+)\.conv(\d)\.weight", name) for name in names]
    blocks = {(int(match[1]), int(match[2])) for match in matches if match}
    counts = tuple(sum(stage == k for stage, _ in blocks) for k in range(2, 6))
    bottlenecks = any(match and match[3] == "3" for match in matches)
    for depth, known in BLOCKS_PER_STAGE.items():
        if tuple(known) == counts and (depth >= 50) == bottlenecks:
            return depth
    raise ValueError(f"resnet_depth: no published ResNet has {counts} blocks in its stages")


def sizes_before_ratios(tensor: Tensor, sizes: int, ratios: int) -> Tensor:
    """Reorder the output channels of a dense head from ratio-major to size-major anchors.

    Args:
        tensor: Weight or bias, `(ratios * sizes * n, …)`.
        sizes: Number of anchor sizes per cell.
        ratios: Number of aspect ratios per cell.
    """
    split = tensor.reshape(ratios, sizes, -1, *tensor.shape[1:])
    return split.transpose(0, 1).reshape(tensor.shape)


def renamed(state: Mapping[str, Tensor], rules: Iterable[tuple[str, str]], source: str) -> dict[str, Tensor]:
    """Rename every entry by the first rule that matches its whole name.

    Args:
        state: Tensors by name.
        rules: Regular expressions and their replacements.
        source: Name of the caller, used in error messages.

    Raises:
        ValueError: If an entry matches no rule, or two entries get the same name.
    """
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in rules]
    result: dict[str, Tensor] = {}
    for name, tensor in state.items():
        fitting = next(((match, r) for p, r in compiled if (match := p.fullmatch(name))), None)
        if fitting is None:
            raise ValueError(f"{source}: '{name}' is not an entry of a model that can be converted")
        target = fitting[0].expand(fitting[1])
        if target in result:
            raise ValueError(f"{source}: '{name}' and another entry would both become '{target}'")
        result[target] = tensor
    return result


def _resnet_name(name: str) -> str | None:
    """Return our name of an entry, also of group norms and deformable convolutions, or None for other entries."""
    if match := _OFFSET.fullmatch(name):
        return f"res{int(match[1]) + 1}.{match[2]}.conv2_offset.{match[3]}"
    return resnet_name(_GROUP_NORM.sub(r"\1bn", name))


def split_backbone(state: Mapping[str, Tensor], prefix: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the ResNet under `prefix`, renamed to our names, and the remaining entries unchanged."""
    resnet: dict[str, Tensor] = {}
    others: dict[str, Tensor] = {}
    for name, tensor in state.items():
        ours = _resnet_name(name.removeprefix(prefix)) if name.startswith(prefix) else None
        if ours is None:
            others[name] = tensor
        elif not ours.endswith("num_batches_tracked"):
            resnet[f"backbone.bottom_up.{ours}"] = tensor
    return resnet, others
