"""Scripting of models whose parts hand `Instances` to each other."""

import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from detectory.compat.detectron2.export.torchscript_patch import freeze_training_mode, patch_instances
from detectory.export import dump_torchscript_IR

__all__ = [
    "dump_torchscript_IR",
    "export_torchscript_with_instances",
    "patch_instances",
    "scripting_with_instances",
]


def scripting_with_instances(model: nn.Module, fields: Mapping[str, Any]) -> torch.jit.ScriptModule:
    """Script a model in which `Instances` have certain fields.

    Backbones, RPN, ROI heads, mask and keypoint heads and a `GeneralizedRCNN` of them can be scripted; it then
    has `inference(inputs, do_postprocess=False)`. Other detectors are exported by
    `detectory.export.export_torch` or traced through `TracingAdapter`.

    Args:
        model: In evaluation mode.
        fields: Type of every field, see `patch_instances`.

    Raises:
        ValueError: the model is training.
        RuntimeError: TorchScript cannot compile it; the message shows the place.
    """
    if model.training:
        raise ValueError("scripting_with_instances: the model must be in evaluation mode")
    with freeze_training_mode(model), patch_instances(fields):
        return torch.jit.script(model)


def export_torchscript_with_instances(
    model: nn.Module, fields: Mapping[str, Any], path: str | os.PathLike[str] | None = None
) -> torch.jit.ScriptModule:
    """Script a model as `scripting_with_instances` does, and save it where a path is given."""
    scripted = scripting_with_instances(model, fields)
    if path is not None:
        torch.jit.save(scripted, os.fspath(path))
    return scripted
