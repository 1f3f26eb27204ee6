"""Names of the cross-stage partial networks of YOLOX and RTMDet, and their sizes."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from detectory.compat._pytorch_resnet import renamed

from .families import State

_LAYERS = {"main_conv": "main", "short_conv": "short", "final_conv": "final"}

# Parts of names, in this order: a convolution of MMDetection is a module with the members `conv` and `bn`.
_PARTS = [
    (r"\bdepthwise_conv\.", "depthwise."),
    (r"\bpointwise_conv\.", "pointwise."),
    *[(rf"\b{theirs}\.", f"{ours}.") for theirs, ours in _LAYERS.items()],
    (r"\.conv\.weight$", ".weight"),
    (r"\.conv\.bias$", ".bias"),
    (r"\.bn\.(\w+)$", r".norm.\1"),
]


def _plain(name: str) -> str:
    for pattern, replacement in _PARTS:
        name = re.sub(pattern, replacement, name)
    return name


_BOTTOM_UP = "backbone.bottom_up"
_RULES = [
    # The first convolution after the slicing of YOLOX, or the three convolutions of RTMDet.
    (r"backbone\.stem\.conv\.(.+)", rf"{_BOTTOM_UP}.stem.conv.\1"),
    (r"backbone\.stem\.(\d)\.(.+)", rf"{_BOTTOM_UP}.stem.\1.\2"),
    (r"backbone\.stage(\d)\.0\.(.+)", rf"{_BOTTOM_UP}.stage\1.downsample.\2"),
    (r"backbone\.stage(\d)\.1\.conv1\.(.+)", rf"{_BOTTOM_UP}.stage\1.spp.reduce.\2"),
    (r"backbone\.stage(\d)\.1\.conv2\.(.+)", rf"{_BOTTOM_UP}.stage\1.spp.expand.\2"),
    (r"backbone\.stage(\d)\.[12]\.(.+)", rf"{_BOTTOM_UP}.stage\1.csp.\2"),
    *[
        (rf"neck\.{theirs}\.(\d)\.(.+)", rf"backbone.{ours}.\1.\2")
        for theirs, ours in (
            ("reduce_layers", "reduce"),
            ("top_down_blocks", "top_down"),
            ("downsamples", "downsample"),
            ("bottom_up_blocks", "aggregate"),
            ("out_convs", "output"),
        )
    ],
]


def convert_csp_network(state: State, head_rules: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """Rename the entries of a detector with a cross-stage partial backbone and neck.

    Args:
        state: Entries by MMDetection's names.
        head_rules: Regular expressions and replacements for the entries of the head, in which convolutions are named
            like ours: `weight`, `norm.weight`.

    Raises:
        ValueError: If an entry belongs neither to the network nor to the head.
    """
    kept = {
        _plain(name): tensor
        for name, tensor in state.items()
        if not name.startswith(("data_preprocessor.", "ema_")) and not name.endswith("num_batches_tracked")
    }
    return renamed(kept, [*_RULES, *head_rules], "convert_state_dict")


def backbone_sizes(converted: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments `stem_channels`, `stage_channels` and `depths` of the backbone."""
    stages = sorted({match[1] for name in converted if (match := re.match(rf"{_BOTTOM_UP}\.(stage\d)\.", name))})
    last_stem = "conv" if f"{_BOTTOM_UP}.stem.conv.weight" in converted else "2"
    return {
        "stem_channels": len(converted[f"{_BOTTOM_UP}.stem.{last_stem}.weight"]),
        "stage_channels": [len(converted[f"{_BOTTOM_UP}.{stage}.csp.final.weight"]) for stage in stages],
        "depths": [count_blocks(converted, f"{_BOTTOM_UP}.{stage}.csp") for stage in stages],
    }


def count_blocks(converted: Mapping[str, Tensor], layer: str) -> int:
    """Return the number of blocks of the cross-stage partial layer with this name."""
    prefix = f"{layer}.blocks."
    return len({name[len(prefix) :].split(".")[0] for name in converted if name.startswith(prefix)})
