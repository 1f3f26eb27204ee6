"""Conversion of state dicts of torchvision's detectors, in both directions."""

from collections.abc import Mapping

import torch
from torch import Tensor

from .names import our_names, row_order

_COUNTER = ".num_batches_tracked"


def convert_state_dict(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the state dict of a detector of torchvision.

    torchvision's background, class 0, becomes the last class of the scores and is removed from box deltas and masks.
    RetinaNet and FCOS keep all their classes, including the unused class 0.

    Args:
        state: State dict of any torchvision version.

    Returns:
        Tensors by the parameter names of the equivalent Detectory model.

    Raises:
        ValueError: If an entry does not belong to a detector of torchvision.
    """
    shapes = {name: tensor.shape for name, tensor in state.items()}
    result = {}
    for theirs, ours in our_names(state).items():
        rows = row_order(theirs, shapes)
        result[ours] = state[theirs] if rows is None else state[theirs][rows]
    return result


def revert_state_dict(state: Mapping[str, Tensor], template: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict of torchvision for the weights of an equivalent Detectory model.

    Rows of the background that our models do not have are zero: they have no effect on torchvision's outputs.

    Args:
        state: Tensors by our names.
        template: State dict of a torchvision detector of the same architecture and number of classes; only names,
            shapes and dtypes are used.

    Raises:
        ValueError: If the architectures differ.
    """
    shapes = {name: tensor.shape for name, tensor in template.items()}
    names = our_names(template)
    superfluous = [name for name in state if name not in names.values() and not name.endswith(_COUNTER)]
    if superfluous:
        raise ValueError(f"revert_state_dict: {superfluous[0]!r} does not exist in the model of torchvision")
    result = {}
    for theirs, ours in names.items():
        expected = template[theirs]
        if ours not in state:
            if not theirs.endswith(_COUNTER):
                raise ValueError(f"revert_state_dict: {ours!r}, the {theirs!r} of torchvision, is missing")
            result[theirs] = torch.zeros((), dtype=expected.dtype)
            continue
        rows = row_order(theirs, shapes)
        tensor = state[ours].detach().cpu().to(expected.dtype)
        if rows is not None:
            tensor = torch.zeros(expected.shape, dtype=expected.dtype).index_copy(0, rows, tensor)
        if tensor.shape != expected.shape:
            raise ValueError(
                f"revert_state_dict: {ours!r} has shape {tuple(tensor.shape)}, the {theirs!r} of torchvision"
                f" {tuple(expected.shape)}"
            )
        result[theirs] = tensor.clone()
    return result
