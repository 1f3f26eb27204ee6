"""Matching of checkpoint names to model names that differ by a prefix such as `backbone.bottom_up.`"""

import logging
from collections.abc import Collection, Mapping, MutableMapping
from typing import Any

import torch

from detectory.core.checkpoint.caffe2_names import convert_caffe2_names

_logger = logging.getLogger(__name__)
_WRAPPERS = ("module.", "_orig_mod.")


def match_state_dict(
    model_state: Mapping[str, torch.Tensor],
    checkpoint_state: Mapping[str, torch.Tensor],
    caffe2_conversion: bool = True,
) -> dict[str, torch.Tensor]:
    """Rename a checkpoint's tensors to the matching names of a model.

    A checkpoint name matches a model name if the two are equal or the model name ends in `.` followed by the
    checkpoint name: `stem.conv1.weight` matches `backbone.bottom_up.stem.conv1.weight`. If several checkpoint names
    match, the longest is used. Tensors of different shapes never match.

    Args:
        model_state: The model's tensors by name.
        checkpoint_state: The checkpoint's tensors by name.
        caffe2_conversion: Convert Caffe2 names first.

    Returns:
        The checkpoint's tensors: matched ones under the model's names, the others under their own.

    Raises:
        ValueError: If a tensor of the checkpoint matches several names of the model equally well.
    """
    origins: Mapping[str, str] = {}
    if caffe2_conversion:
        checkpoint_state, origins = convert_caffe2_names(checkpoint_state)
    chosen: dict[str, str] = {}
    for model_name in sorted(model_state):
        name = longest_suffix(model_name, checkpoint_state)
        if name is None:
            continue
        if checkpoint_state[name].shape != model_state[model_name].shape:
            _logger.warning(
                "match_state_dict: '%s' has shape %s in the checkpoint, but '%s' has shape %s in the model: not loaded",
                origins.get(name, name),
                tuple(checkpoint_state[name].shape),
                model_name,
                tuple(model_state[model_name].shape),
            )
            continue
        if name in chosen:
            raise ValueError(
                f"match_state_dict: '{origins.get(name, name)}' of the checkpoint matches both "
                f"'{chosen[name]}' and '{model_name}' of the model"
            )
        chosen[name] = model_name
    return {chosen.get(name, name): tensor for name, tensor in checkpoint_state.items()}


def longest_suffix(name: str, known: Mapping[str, object]) -> str | None:
    """Return the longest of `known` that equals `name` or is a dot-separated suffix of it, or None."""
    while name not in known:
        _, dot, name = name.partition(".")
        if not dot:
            return None
    return name


def strip_wrapper_prefixes(state: MutableMapping[str, Any], own: Collection[str]) -> None:
    """Remove, in place, a wrapper's prefix from all names of a checkpoint, unless the model's names have it too.

    `DataParallel` and `DistributedDataParallel` add `module.`; `torch.compile` adds `_orig_mod.`.

    Args:
        state: A checkpoint's values by name. The module versions that torch stores in `_metadata` are renamed too.
        own: The model's names.
    """
    prefix = next((prefix for prefix in _WRAPPERS if state and all(name.startswith(prefix) for name in state)), None)
    if prefix is None or any(name.startswith(prefix) for name in own):
        return
    for names in (state, getattr(state, "_metadata", None) or {}):
        for name in list(names):
            # Every entry is popped and reinserted, which preserves the order. The root module has an empty name.
            names["" if f"{name}." == prefix else name.removeprefix(prefix)] = names.pop(name)
    strip_wrapper_prefixes(state, own)
