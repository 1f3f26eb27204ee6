"""`verify`: compare an exported file or model with the original."""

import os
from collections.abc import Sequence

from torch import nn

from detectory.export.agreement import Agreement
from detectory.export.comparison import compare_models
from detectory.export.loading import load
from detectory.structures.model_formats import ModelInput


def verify(model: nn.Module, exported: nn.Module | str | os.PathLike[str], inputs: Sequence[ModelInput]) -> Agreement:
    """Compare an exported model with the original.

    Args:
        model: The original, in evaluation mode.
        exported: A file, or any model with the interface of the original, such as `load(path).model`.
        inputs: The model's inputs, for real images.

    Returns:
        The measured differences; `agreement.problems(Tolerance())` lists the excessive ones.

    Raises:
        ValueError: If `inputs` is empty.
    """
    if not inputs:
        raise ValueError("verify: inputs must contain at least one image, got none")
    return compare_models(model, exported if isinstance(exported, nn.Module) else load(exported).model, inputs)
