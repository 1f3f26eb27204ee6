"""Matching of a checkpoint's names to a model's when they differ by a prefix, such as `backbone.bottom_up.`"""

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
    """Rename a checkpoint's tensors to the names of the model's tensors that they fit.

    A checkpoint's `stem.conv1.weight` fits the model's `backbone.bottom_up.stem.conv1.weight`: a name fits when it
    is equal to the model's name or to its end after a dot. Of several the longest counts. A pair with different
    shapes is no match.

    Args:
        model_state: The model's tensors by name.
        checkpoint_state: The checkpoint's.
        caffe2_conversion: Translate Caffe2's names first.

    Returns:
        The checkpoint's tensors, matched ones under the model's names, the others under their own.

    Raises:
        ValueError: one tensor of the checkpoint fits several names of the model equally well.
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
                "match_state_dict: '%s' of the checkpoint has shape %s, '%s' of the model %s: not loaded",
                origins.get(name, name),
                tuple(checkpoint_state[name].shape),
                model_name,
                tuple(model_state[model_name].shape),
            )
            continue
        if name in chosen:
            raise ValueError(
                f"match_state_dict: '{origins.get(name, name)}' of the checkpoint fits "
                f"'{chosen[name]}' and '{model_name}' of the model"
            )
        chosen[name] = model_name
    return {chosen.get(name, name): tensor for name, tensor in checkpoint_state.items()}


def longest_suffix(name: str, known: Mapping[str, object]) -> str | None:
    """Return the longest of `known` that equals `name` or its end after a dot, or None."""
    while name not in known:
        _, dot, name = name.partition(".")
        if not dot:
            return None
    return name


def take_off_wrappers(state: MutableMapping[str, Any], own: Collection[str]) -> None:
    """Remove, in place, the prefix that a wrapper gave to every name of a checkpoint, unless the model has it too.

    `DataParallel` and `DistributedDataParallel` write `module.`, `torch.compile` writes `_orig_mod.`.

    Args:
        state: A checkpoint's values by name; the versions of modules that torch keeps beside them are renamed too.
        own: The model's names.
    """
    prefix = next((prefix for prefix in _WRAPPERS if state and all(name.startswith(prefix) for name in state)), None)
    if prefix is None or any(name.startswith(prefix) for name in own):
        return
    for names in (state, getattr(state, "_metadata", None) or {}):
        for name in list(names):
            # Taken out and put back, each keeps its place among the others. The wrapped module itself has no name.
            names["" if f"{name}." == prefix else name.removeprefix(prefix)] = names.pop(name)
    take_off_wrappers(state, own)
