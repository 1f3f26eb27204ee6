"""What files of torchvision and MMDetection share: names in a ResNet, and anchors ratio by ratio."""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from detectory.modeling.backbone.resnet import BLOCKS_PER_STAGE


def resnet_name(name: str) -> str | None:
    """Return our name of an entry of torchvision's ResNet, `layer1.0.bn2.weight`; None for what is no part of it."""
    if match := re.fullmatch(r"(conv1|bn1)\.(\w+)", name):
        return f"stem.conv1.{'norm.' if match[1] == 'bn1' else ''}{match[2]}"
    if match := re.fullmatch(r"layer([1-4])\.(\d+)\.(conv|bn)(\d)\.(\w+)", name):
        stage, block, kind, number, entry = match.groups()
        return f"res{int(stage) + 1}.{block}.conv{number}.{'norm.' if kind == 'bn' else ''}{entry}"
    if match := re.fullmatch(r"layer([1-4])\.(\d+)\.downsample\.([01])\.(\w+)", name):
        stage, block, part, entry = match.groups()
        return f"res{int(stage) + 1}.{block}.shortcut.{'norm.' if part == '1' else ''}{entry}"
    return None


def resnet_depth(names: Iterable[str]) -> int:
    """Return the depth of a ResNet from our names of its entries.

    Raises:
        ValueError: no published depth has these numbers of blocks.
    """
    found = [re.search(r"\bres([2-5])\.(\d+)\.conv(\d)\.weight", name) for name in names]
    blocks = {(int(match[1]), int(match[2])) for match in found if match}
    counts = tuple(sum(stage == k for stage, _ in blocks) for k in range(2, 6))
    bottlenecks = any(match and match[3] == "3" for match in found)
    for depth, known in BLOCKS_PER_STAGE.items():
        if tuple(known) == counts and (depth >= 50) == bottlenecks:
            return depth
    raise ValueError(f"resnet_depth: no published ResNet has {counts} blocks in its stages")


def sizes_before_ratios(tensor: Tensor, sizes: int, ratios: int) -> Tensor:
    """Reorder the output channels of a dense head whose anchors come ratio by ratio, as ours come size by size.

    Args:
        tensor: Weight or bias, `(ratios * sizes * n, …)`.
        sizes: anchors' sizes of a cell.
        ratios: Their aspect ratios.
    """
    split = tensor.reshape(ratios, sizes, -1, *tensor.shape[1:])
    return split.transpose(0, 1).reshape(tensor.shape)


def renamed(state: Mapping[str, Tensor], rules: Iterable[tuple[str, str]], source: str) -> dict[str, Tensor]:
    """Rename every entry by the first rule that fits it entirely.

    Args:
        state: Tensors by name.
        rules: Patterns and replacements.
        source: Who asks, for the message.

    Raises:
        ValueError: no rule knows an entry, or two entries get one name.
    """
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in rules]
    result: dict[str, Tensor] = {}
    for name, tensor in state.items():
        fitting = next(((match, r) for p, r in compiled if (match := p.fullmatch(name))), None)
        if fitting is None:
            raise ValueError(f"{source}: '{name}' is no entry of a model that can be converted")
        target = fitting[0].expand(fitting[1])
        if target in result:
            raise ValueError(f"{source}: '{name}' and another entry would both become '{target}'")
        result[target] = tensor
    return result


def split_backbone(state: Mapping[str, Tensor], prefix: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the ResNet behind `prefix` under our names, and the other entries under their own."""
    resnet: dict[str, Tensor] = {}
    others: dict[str, Tensor] = {}
    for name, tensor in state.items():
        ours = resnet_name(name.removeprefix(prefix)) if name.startswith(prefix) else None
        if ours is None:
            others[name] = tensor
        elif not ours.endswith("num_batches_tracked"):
            resnet[f"backbone.bottom_up.{ours}"] = tensor
    return resnet, others
