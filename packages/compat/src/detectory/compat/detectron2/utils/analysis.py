"""Model cost analysis under Detectron2's module path."""

from collections import defaultdict
from typing import Any

import torch
from torch import nn

from detectory.compat.fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis
from detectory.core.events import EventStorage
from detectory.modeling.analysis import parameter_count, parameter_count_table

__all__ = [
    "FlopCountAnalysis",
    "activation_count_operators",
    "find_unused_parameters",
    "flop_count_operators",
    "parameter_count",
    "parameter_count_table",
]

# fvcore's operator names where they differ from torch's.
_FVCORE_NAMES = {"convolution": "conv"}

Inputs = list[dict[str, Any]]


def flop_count_operators(model: nn.Module, inputs: Inputs) -> defaultdict[str, float]:
    """Count multiply-adds of a detection model by operator, in units of 1e9.

    Args:
        model: The model.
        inputs: Model inputs, a list of dictionaries with `"image"`.
    """
    return _in_units(FlopCountAnalysis(model.eval(), (inputs,)).by_operator(), 1e9)


def activation_count_operators(model: nn.Module, inputs: Inputs, **kwargs: Any) -> defaultdict[str, float]:
    """Count output elements of a detection model by operator, in units of 1e6; see `flop_count_operators`."""
    del kwargs
    return _in_units(ActivationCountAnalysis(model.eval(), (inputs,)).by_operator(), 1e6)


def _in_units(counts: dict[str, int], unit: float) -> defaultdict[str, float]:
    return defaultdict(float, {_FVCORE_NAMES.get(name, name): count / unit for name, count in counts.items()})


def find_unused_parameters(model: nn.Module, inputs: Any) -> list[str]:
    """Return the names of parameters that receive no gradient from the losses of a batch.

    Args:
        model: A model in training mode.
        inputs: A training batch.

    Raises:
        ValueError: If the model is in evaluation mode.
    """
    if not model.training:
        raise ValueError("find_unused_parameters: the model must be in training mode")
    for parameter in model.parameters():
        parameter.grad = None
    with EventStorage():
        losses = model(inputs)
    total = sum(losses.values()) if isinstance(losses, dict) else losses
    if not isinstance(total, torch.Tensor):
        raise TypeError(f"find_unused_parameters: the model must return losses, got {type(losses).__name__}")
    total.backward()
    return [name for name, parameter in model.named_parameters() if parameter.grad is None]
