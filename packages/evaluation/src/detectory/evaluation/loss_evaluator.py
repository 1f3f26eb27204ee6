"""The losses of a model on data that it is not trained on."""

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


class LossEvaluator(DatasetEvaluator):
    """The mean of each loss over a dataset, with the weights as they are.

    The model runs in training mode, but normalisation layers and dropout behave as in evaluation, no gradient is kept
    and nothing is written to the events of the training. Random choices (of anchors, of regions) are the same in every
    round. The data loader's mapper must keep the annotations, that is `DatasetMapper(is_train=True, …)` with
    augmentations that are not random.

    Args:
        model: Called with each batch; must return a dict of losses in training mode.
        task: The name of the results.
        seed: Of the random choices.
    """

    def __init__(self, model: nn.Module, task: str = "loss", seed: int = 0) -> None:
        self._model = model
        self._task = task
        self._seed = seed
        self._batches: dict[Any, tuple[int, dict[str, float]]] = {}

    def reset(self) -> None:
        """Forget the losses."""
        self._batches = {}

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Any) -> None:
        """Compute the losses of one batch.

        Args:
            inputs: As for training; their `image_id`s (or `file_name`s) tell a batch that comes twice.
            outputs: Of the model in evaluation mode; not used.

        Raises:
            ValueError: where the model returns no losses.
        """
        names = tuple(str(record.get("image_id", record.get("file_name", len(self._batches)))) for record in inputs)
        with training_losses(self._model), EventStorage(), torch.random.fork_rng(devices=self._devices()):
            torch.manual_seed(self._seed)
            losses = self._model(inputs)
        if not isinstance(losses, Mapping) or not losses:
            raise ValueError(f"LossEvaluator: the model must return a dict of losses, got {type(losses).__name__}")
        self._batches[names] = len(inputs), {name: float(value) for name, value in losses.items()}

    def evaluate(self) -> dict[str, dict[str, float]]:
        """Average over images.

        Returns:
            `{"loss": {"total_loss": …, "<name>": …}}`; empty in other processes than the main one, and where there
            was no image.
        """
        parts = gather(self._batches, dst=0)
        if not is_main_process():
            return {}
        batches = {names: batch for part in reversed(parts) for names, batch in part.items()}.values()
        images = sum(count for count, _ in batches)
        if not images:
            return {}
        sums: dict[str, float] = {}
        for count, losses in batches:
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + count * value
        means = {name: value / images for name, value in sums.items()}
        figures = {"total_loss": sum(means.values()), **means}
        logging.getLogger(__name__).info("Losses on %d images:\n%s", images, format_metrics(figures))
        return {self._task: figures}

    def _devices(self) -> list[int]:
        devices = {parameter.device for parameter in self._model.parameters()}
        return sorted({device.index or 0 for device in devices if device.type == "cuda"})


@contextmanager
def training_losses(model: nn.Module) -> Iterator[None]:
    """Let a model return its losses without a gradient, its normalisation and dropout as in evaluation."""
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
