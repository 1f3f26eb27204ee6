"""`ExportSettings`: the arguments of an export that the formats need."""

from collections.abc import Sequence
from dataclasses import dataclass

from detectory.structures.records import ModelInput


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
    """

    inputs: Sequence[ModelInput]
    height: int = 0
    width: int = 0
    batch: int = 1
    dtype: str = "float32"
    calibration: Sequence[ModelInput] = ()
