"""Scripting of models that pass `Instances` between modules."""

import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from detectory.compat.detectron2.export.torchscript_patch import (
    freeze_training_mode,
    patch_instances,
    patch_nonscriptable_classes,
)
from detectory.export import dump_torchscript_IR

__all__ = [
    "dump_torchscript_IR",
    "export_torchscript_with_instances",
    "freeze_training_mode",
    "patch_instances",
    "patch_nonscriptable_classes",
    "scripting_with_instances",
]


def scripting_with_instances(model: nn.Module, fields: Mapping[str, Any]) -> torch.jit.ScriptModule:
    """Script a model whose `Instances` have a fixed set of fields.

    Backbones, RPN, ROI heads, mask and keypoint heads, and a `GeneralizedRCNN` built from them can be scripted; the
    scripted model has `inference(inputs, do_postprocess=False)`. Export other detectors with
    `detectory.export.export`, or trace them through `TracingAdapter`.

    Args:
        model: The model, in evaluation mode.
        fields: Type of every field; see `patch_instances`.

    Raises:
        ValueError: If the model is in training mode.
        RuntimeError: If TorchScript cannot compile the model; the message points to the source line.
    """
    if model.training:
        raise ValueError("scripting_with_instances: the model must be in evaluation mode")
    with freeze_training_mode(model), patch_instances(fields):
        return torch.jit.script(model)


def export_torchscript_with_instances(
    model: nn.Module, fields: Mapping[str, Any], path: str | os.PathLike[str] | None = None
) -> torch.jit.ScriptModule:
    """Script a model with `scripting_with_instances`, and save it if `path` is given."""
    scripted = scripting_with_instances(model, fields)
    if path is not None:
        torch.jit.save(scripted, os.fspath(path))
    return scripted
