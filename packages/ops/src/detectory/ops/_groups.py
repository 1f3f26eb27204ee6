"""Checks of the grouped arguments that the evaluation operators share."""

from collections.abc import Sequence

import torch


def crowd_flags(function: str, iscrowd: Sequence[bool] | torch.Tensor | None, count: int) -> torch.Tensor:
    """Read one flag for each ground truth as a bool tensor; None means no crowds.

    Raises:
        ValueError: not as many flags as ground truths.
    """
    if iscrowd is None:
        return torch.zeros(count, dtype=torch.bool)
    flags = torch.as_tensor(iscrowd).bool()
    if flags.shape != (count,):
        raise ValueError(f"{function}: iscrowd must have {count} flags, one for each gt, got {tuple(flags.shape)}")
    return flags


def check_groups(function: str, name: str, groups: torch.Tensor, count: int, length: int | None = None) -> None:
    """Check that a tensor cuts a list of `count` entries into groups.

    Raises:
        TypeError: not an int64 tensor.
        ValueError: it does not rise from 0 to `count`, or has not `length` entries.
    """
    if not isinstance(groups, torch.Tensor) or groups.dtype != torch.int64:
        raise TypeError(f"{function}: {name} must be an int64 tensor, got {getattr(groups, 'dtype', type(groups))}")
    if groups.dim() != 1 or len(groups) == 0 or length not in (None, len(groups)):
        raise ValueError(
            f"{function}: {name} must have shape ({'G + 1' if length is None else length},), got {tuple(groups.shape)}"
        )
    if int(groups[0]) != 0 or int(groups[-1]) != count or bool((groups.diff() < 0).any()):
        raise ValueError(
            f"{function}: {name} must rise from 0 to {count}, got {groups[:5].tolist()}… {int(groups[-1])}"
        )
