"""`ExportSettings`: the arguments of an export that the formats need."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from detectory.structures.model_formats import ModelInput


@dataclass(frozen=True)
class ExportSettings:
    """The arguments of an export.

    Args:
        inputs: Model inputs of real images; the first one is recorded.
        height: Height of the graph's input, pixels; 0 for any height.
        width: Width of the graph's input, pixels; 0 for any width.
        batch: Number of images per call; 0 for any number.
        dtype: Type of the weights and features.
        calibration: Model inputs that determine the ranges of int8 tensors.
        accuracy: Returns the AP of a model with the interface of the original, in percent; measured for int8.
        max_ap_drop: Allowed drop of the AP in int8; None for any.
    """

    inputs: Sequence[ModelInput]
    height: int = 0
    width: int = 0
    batch: int = 1
    dtype: str = "float32"
    calibration: Sequence[ModelInput] = ()
    accuracy: Callable[[nn.Module], float] | None = None
    max_ap_drop: float | None = None
