"""The losses of a model on data that it does not learn from."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from detectory.core.distributed import all_gather
from detectory.core.events import EventStorage
from detectory.engine.trainers.random_state import undisturbed_random_state
from detectory.evaluation.loss_evaluator import training_losses


def validation_losses(
    model: nn.Module, data_loader: Iterable[Any], max_batches: int | None = None, seed: int = 0
) -> dict[str, float]:
    """Return the mean of each loss over batches, and their sum as `total_loss`.

    Detectors compute losses in training mode; here batch normalisation uses its running statistics and nothing is
    dropped or updated. Random choices, such as which proposals are sampled, are the same in every call.

    Args:
        model: Takes a batch and returns a loss or a dictionary of losses. Its modes come back as they were.
        data_loader: A finite iterable of batches with annotations, different ones in each process.
        max_batches: Look at so many at most.
        seed: Of the random choices.

    Raises:
        ValueError: there is no batch.

    Example:
        >>> from detectory.engine.hooks import EvalHook
        >>> hook = EvalHook(1000, lambda: {"validation": validation_losses(model, loader)})  # doctest: +SKIP
    """
    sums: dict[str, float] = {}
    count = 0
    with training_losses(model), undisturbed_random_state(), EventStorage():
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
    of_all = all_gather((sums, count))
    batches = sum(number for _, number in of_all)
    if not batches:
        raise ValueError("validation_losses: data_loader has no batch")
    names = {name: None for losses, _ in of_all for name in losses}
    means = {name: sum(losses.get(name, 0.0) for losses, _ in of_all) / batches for name in names}
    return {"total_loss": sum(means.values())} | means if "total_loss" not in means else means
