"""Losses on validation data."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from detectory.core.distributed import all_gather
from detectory.core.events import EventStorage
from detectory.engine.trainers.random_state import preserved_random_state
from detectory.evaluation.loss_evaluator import training_losses


def validation_losses(
    model: nn.Module, data_loader: Iterable[Any], max_batches: int | None = None, seed: int = 0
) -> dict[str, float]:
    """Return the mean of each loss over all batches, and their sum as `total_loss`.

    Detectors compute losses only in training mode. During this call, batch normalisation uses its running statistics,
    dropout is disabled and nothing is updated. Random choices such as the sampling of proposals are the same in every
    call.

    Args:
        model: Returns a loss or a dictionary of losses for a batch. The training modes of its modules are restored.
        data_loader: A finite iterable of annotated batches, different ones in each process.
        max_batches: Maximum number of batches per process.
        seed: The random seed.

    Raises:
        ValueError: If there are no batches.

    Example:
        >>> from detectory.engine.hooks import EvalHook
        >>> hook = EvalHook(1000, lambda: {"validation": validation_losses(model, loader)})  # doctest: +SKIP
    """
    sums: dict[str, float] = {}
    count = 0
    with training_losses(model), preserved_random_state(), EventStorage():
        torch.manual_seed(seed)
        for batch in data_loader:
            if count == max_batches:
                break
            losses = model(batch)
            losses = {"total_loss": losses} if isinstance(losses, torch.Tensor) else losses
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0.0) + float(loss)
            count += 1
    return _mean_over_processes(sums, count)


def _mean_over_processes(sums: dict[str, float], count: int) -> dict[str, float]:
    of_ranks = all_gather((sums, count))
    batches = sum(number for _, number in of_ranks)
    if not batches:
        raise ValueError("validation_losses: data_loader must not be empty")
    names = {name: None for losses, _ in of_ranks for name in losses}
    means = {name: sum(losses.get(name, 0.0) for losses, _ in of_ranks) / batches for name in names}
    return {"total_loss": sum(means.values())} | means if "total_loss" not in means else means
