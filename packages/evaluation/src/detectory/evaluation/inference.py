"""Evaluation loop: runs a model over a dataset, passes its outputs to evaluators and logs the speed."""

import datetime
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from detectory.core.distributed import get_world_size

from .evaluator import DatasetEvaluator, DatasetEvaluators

_logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_MESSAGES = 5.0
_WARM_UP_BATCHES = 5
_CALLBACKS = ("on_start", "before_inference", "after_inference", "on_end")


@dataclass
class _Timings:
    """Seconds spent waiting for data, in the model and in the evaluator, and the batches and images they took."""

    data: float = 0.0
    compute: float = 0.0
    evaluate: float = 0.0
    batches: int = 0
    images: int = 0

    def progress(self, done: int, total: int | None) -> str:
        """One line with the progress, the seconds per batch and the remaining time."""
        count = max(self.batches, 1)
        per_batch = (self.data + self.compute + self.evaluate) / count
        text = (
            f"Inference done {done}/{'?' if total is None else total}. Dataloading: {self.data / count:.4f} s/iter. "
            f"Inference: {self.compute / count:.4f} s/iter. Eval: {self.evaluate / count:.4f} s/iter. "
            f"Total: {per_batch:.4f} s/iter."
        )
        if total is not None:
            text += f" ETA={datetime.timedelta(seconds=int(per_batch * (total - done)))}"
        return text


def inference_on_dataset(
    model: Callable[[Any], Any],
    data_loader: Iterable[Any],
    evaluator: DatasetEvaluator | Sequence[DatasetEvaluator] | None,
    callbacks: Mapping[str, Callable[[], Any]] | None = None,
) -> Mapping[str, Any]:
    """Run a model on all batches in evaluation mode, without gradients, and return the results of the evaluator.

    Logs the progress, the seconds per batch for data loading, inference and evaluation, and the remaining time every
    few seconds, and the seconds per image at the end. The first batches do not count. CUDA is synchronised after each
    call of the model, so its time is not attributed to the evaluator.

    Args:
        model: Called with each batch. An `nn.Module` is put into evaluation mode for the duration of the call.
        data_loader: Iterable over batches. Without a length, the remaining time is not logged.
        evaluator: An evaluator, several of them, or None to measure the speed only.
        callbacks: Functions without arguments by name: "on_start", "before_inference", "after_inference" (these two
            around each call of the model) and "on_end".

    Returns:
        The result of `evaluator.evaluate()`; an empty dict for None.
    """
    if evaluator is None:
        evaluator = DatasetEvaluators([])
    elif isinstance(evaluator, Sequence):
        evaluator = DatasetEvaluators(evaluator)
    total = len(data_loader) if isinstance(data_loader, Sized) else None
    _logger.info("Start inference on %s batches", "an unknown number of" if total is None else total)
    call = {name: (callbacks or {}).get(name, lambda: None) for name in _CALLBACKS}
    warm_up = _WARM_UP_BATCHES if total is None else min(_WARM_UP_BATCHES, total - 1)
    timings = _Timings()
    start = last_message = time.perf_counter()
    evaluator.reset()
    with ExitStack() as stack:
        if isinstance(model, nn.Module):
            stack.enter_context(inference_context(model))
        stack.enter_context(torch.no_grad())
        call["on_start"]()
        data_start = time.perf_counter()
        for done, inputs in enumerate(data_loader):
            if done == warm_up:
                timings = _Timings()
            compute_start = time.perf_counter()
            call["before_inference"]()
            outputs = model(inputs)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            call["after_inference"]()
            evaluate_start = time.perf_counter()
            evaluator.process(inputs, outputs)
            now = time.perf_counter()
            timings.data += compute_start - data_start
            timings.compute += evaluate_start - compute_start
            timings.evaluate += now - evaluate_start
            timings.batches += 1
            timings.images += len(inputs) if isinstance(inputs, (list, tuple)) else 1
            if now - last_message > _SECONDS_BETWEEN_MESSAGES:
                _logger.info(timings.progress(done + 1, total))
                last_message = now
            data_start = time.perf_counter()
        call["on_end"]()
    _log_summary(timings, time.perf_counter() - start)
    results = evaluator.evaluate()
    return {} if results is None else results


@contextmanager
def inference_context(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode within the `with` block, and restore its former mode after it."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _log_summary(timings: _Timings, seconds: float) -> None:
    count = max(timings.images, 1)
    _logger.info(
        "Total inference time: %s (data %.6f, compute %.6f, eval %.6f s / img per device, on %d devices)",
        datetime.timedelta(seconds=int(seconds)),
        timings.data / count,
        timings.compute / count,
        timings.evaluate / count,
        get_world_size(),
    )
