"""Parameter names of Caffe2 checkpoints, under Detectron2's module path."""

import itertools

import torch

from detectory.core.checkpoint import convert_basic_names, match_state_dict
from detectory.core.checkpoint import convert_caffe2_names as convert_c2_detectron_names

__all__ = [
    "_longest_common_prefix",
    "_longest_common_prefix_str",
    "align_and_update_state_dicts",
    "convert_basic_c2_names",
    "convert_c2_detectron_names",
]


def convert_basic_c2_names(original_keys: list[str]) -> list[str]:
    """Return the names of Caffe2's parameters in PyTorch's form, in the same order."""
    return convert_basic_names(original_keys)


def align_and_update_state_dicts(
    model_state_dict: dict[str, torch.Tensor], ckpt_state_dict: dict[str, torch.Tensor], c2_conversion: bool = True
) -> dict[str, torch.Tensor]:
    """Return the checkpoint's tensors under the model's names, matched by longest suffix.

    Args:
        model_state_dict: The model's state dict.
        ckpt_state_dict: The checkpoint's state dict.
        c2_conversion: Translate Caffe2's names before matching.
    """
    return match_state_dict(model_state_dict, ckpt_state_dict, caffe2_conversion=c2_conversion)


def _longest_common_prefix_str(names: list[str]) -> str:
    """Return the longest common prefix of the names."""
    letters = itertools.takewhile(lambda column: len(set(column)) == 1, zip(*names, strict=False))
    return "".join(column[0] for column in letters)


def _longest_common_prefix(names: list[str]) -> str:
    """Return the longest common prefix of dotted names that ends with a dot."""
    parts = itertools.takewhile(
        lambda column: len(set(column)) == 1, zip(*(name.split(".")[:-1] for name in names), strict=False)
    )
    return "".join(f"{column[0]}." for column in parts)
