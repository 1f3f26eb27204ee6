"""Checks of grouped arguments of the evaluation operators."""

from collections.abc import Sequence

import torch


def crowd_flags(function: str, iscrowd: Sequence[bool] | torch.Tensor | None, count: int) -> torch.Tensor:
    """Convert one crowd flag per ground truth to a bool tensor; None means all False.

    Raises:
        ValueError: If the number of flags differs from the number of ground truths.
    """
    if iscrowd is None:
        return torch.zeros(count, dtype=torch.bool)
    flags = torch.as_tensor(iscrowd).bool()
    if flags.shape != (count,):
        raise ValueError(f"{function}: iscrowd must have {count} flags, one per ground truth, got {tuple(flags.shape)}")
    return flags


def check_groups(function: str, name: str, groups: torch.Tensor, count: int, length: int | None = None) -> None:
    """Check the offsets of groups in a list of `count` entries.

    Raises:
        TypeError: If `groups` is not an int64 tensor.
        ValueError: If `groups` does not increase from 0 to `count`, or its length is not `length`.
    """
    if not isinstance(groups, torch.Tensor) or groups.dtype != torch.int64:
        raise TypeError(f"{function}: {name} must be an int64 tensor, got {getattr(groups, 'dtype', type(groups))}")
    if groups.dim() != 1 or len(groups) == 0 or length not in (None, len(groups)):
        raise ValueError(
            f"{function}: {name} must have shape ({'G + 1' if length is None else length},), got {tuple(groups.shape)}"
        )
    if int(groups[0]) != 0 or int(groups[-1]) != count or bool((groups.diff() < 0).any()):
        raise ValueError(
            f"{function}: {name} must increase from 0 to {count}, got {groups[:5].tolist()}… {int(groups[-1])}"
        )
