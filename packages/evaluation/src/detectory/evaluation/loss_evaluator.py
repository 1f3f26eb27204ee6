"""Evaluator for the losses of a model on validation data."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from detectory.core.distributed import gather, is_main_process
from detectory.core.events import EventStorage

from .evaluator import DatasetEvaluator
from .results_table import format_metrics

_logger = logging.getLogger(__name__)


class LossEvaluator(DatasetEvaluator):
    """Mean of each loss over a dataset, without updating the model.

    The model runs in training mode, except for normalisation and dropout layers, without gradients, and its events are
    discarded. Random sampling (of anchors and regions) uses the same seed for every batch. The mapper of the data
    loader must keep the annotations: use `DatasetMapper(is_train=True, …)` with deterministic augmentations.

    Args:
        model: Called with each batch; must return a dict of losses in training mode.
        task: Task name in the results.
        seed: Seed of the random sampling.

    """

    def __init__(self, model: nn.Module, task: str = "loss", seed: int = 0) -> None:
        self._model = model
        self._task = task
        self._seed = seed
        self._batches: dict[Any, tuple[int, dict[str, float]]] = {}

    def reset(self) -> None:
        """Discard all losses."""
        self._batches = {}

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Any) -> None:
        """Compute the losses of one batch.

        Args:
            inputs: A training batch. A batch with the same `image_id`s (or `file_name`s) as one before replaces it.
            outputs: Outputs of the model in evaluation mode; not used.

        Raises:
            ValueError: If the model does not return losses.
        """
        key = tuple(str(record.get("image_id", record.get("file_name", len(self._batches)))) for record in inputs)
        with training_losses(self._model), EventStorage(), torch.random.fork_rng(devices=self._cuda_devices()):
            torch.manual_seed(self._seed)
            losses = self._model(inputs)
        if not isinstance(losses, Mapping) or not losses:
            raise ValueError(f"LossEvaluator: the model must return a dict of losses, got {type(losses).__name__}")
        self._batches[key] = len(inputs), {name: float(value) for name, value in losses.items()}

    def evaluate(self) -> dict[str, dict[str, float]]:
        """Average the losses over images.

        Returns:
            `{"loss": {"total_loss": …, "<name>": …}}`. Empty in all processes but the main one, and without images.
        """
        parts = gather(self._batches, dst=0)
        if not is_main_process():
            return {}
        batches = {key: batch for part in reversed(parts) for key, batch in part.items()}.values()
        num_images = sum(count for count, _ in batches)
        if not num_images:
            return {}
        sums: dict[str, float] = {}
        for count, losses in batches:
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + count * value
        means = {name: value / num_images for name, value in sums.items()}
        metrics = {"total_loss": sum(means.values()), **means}
        _logger.info("Losses on %d images:\n%s", num_images, format_metrics(metrics))
        return {self._task: metrics}

    def _cuda_devices(self) -> list[int]:
        devices = {parameter.device for parameter in self._model.parameters()}
        return sorted({device.index or 0 for device in devices if device.type == "cuda"})


@contextmanager
def training_losses(model: nn.Module) -> Iterator[None]:
    """Put a model into the mode for validation losses within the `with` block, and restore its former modes after it.

    In this mode the model returns losses, normalisation and dropout layers behave as in evaluation, and gradients are
    disabled.
    """
    modes = {module: module.training for module in model.modules()}
    model.train()
    for module in model.modules():
        if isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)):
            module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training
