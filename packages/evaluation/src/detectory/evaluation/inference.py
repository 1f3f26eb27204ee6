"""Runs a model over a dataset, hands its outputs to evaluators and measures where the time goes."""

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

_SECONDS_BETWEEN_MESSAGES = 5.0
_WARM_UP = 5


@dataclass
class _Stopwatch:
    """Seconds spent waiting for data, in the model and in the evaluator, without the first few batches."""

    data: float = 0.0
    compute: float = 0.0
    evaluate: float = 0.0
    batches: int = 0

    def describe(self, done: int, total: int | None) -> str:
        """The state as one line: where, seconds per batch by part, and how long it will take."""
        count = max(self.batches, 1)
        whole = (self.data + self.compute + self.evaluate) / count
        text = (
            f"Inference done {done}/{'?' if total is None else total}. Dataloading: {self.data / count:.4f} s/iter. "
            f"Inference: {self.compute / count:.4f} s/iter. Eval: {self.evaluate / count:.4f} s/iter. "
            f"Total: {whole:.4f} s/iter."
        )
        if total is not None:
            text += f" ETA={datetime.timedelta(seconds=int(whole * (total - done)))}"
        return text


def inference_on_dataset(
    model: Callable[[Any], Any],
    data_loader: Iterable[Any],
    evaluator: DatasetEvaluator | Sequence[DatasetEvaluator] | None,
    callbacks: Mapping[str, Callable[[], Any]] | None = None,
) -> Mapping[str, Any]:
    """Run a model on all batches without gradients, in eval mode, and return what the evaluator makes of it.

    Progress, the seconds per batch for data, model and evaluation, and the time left are logged every few seconds;
    at the end a line tells the seconds per image of each part. CUDA is synchronised, so the figures are true.

    Args:
        model: Called with each batch; an `nn.Module` is put into eval mode meanwhile.
        data_loader: Yields batches. It needs no length, but without one no remaining time can be told.
        evaluator: One, several, or None to measure the speed only.
        callbacks: Functions without arguments under any of "on_start", "before_inference", "after_inference" (these
            two around each call of the model) and "on_end".

    Returns:
        What `evaluator.evaluate()` returns; an empty dict for None.
    """
    logger = logging.getLogger(__name__)
    if evaluator is None:
        evaluator = DatasetEvaluators([])
    elif isinstance(evaluator, Sequence):
        evaluator = DatasetEvaluators(evaluator)
    total = len(data_loader) if isinstance(data_loader, Sized) else None
    logger.info("Start inference on %s batches", "an unknown number of" if total is None else total)
    call = {name: (callbacks or {}).get(name, lambda: None) for name in ("on_start", "before_inference")}
    call |= {name: (callbacks or {}).get(name, lambda: None) for name in ("after_inference", "on_end")}
    warm_up = _WARM_UP if total is None else min(_WARM_UP, total - 1)
    watch, images, done = _Stopwatch(), 0, 0
    begin = last_message = time.perf_counter()
    evaluator.reset()
    with ExitStack() as stack:
        if isinstance(model, nn.Module):
            stack.enter_context(inference_context(model))
        stack.enter_context(torch.no_grad())
        call["on_start"]()
        waiting_since = time.perf_counter()
        for inputs in data_loader:
            if done == warm_up:
                watch, images = _Stopwatch(), 0
            compute_from = time.perf_counter()
            call["before_inference"]()
            outputs = model(inputs)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            call["after_inference"]()
            evaluate_from = time.perf_counter()
            evaluator.process(inputs, outputs)
            now = time.perf_counter()
            watch.data += compute_from - waiting_since
            watch.compute += evaluate_from - compute_from
            watch.evaluate += now - evaluate_from
            watch.batches, images, done = watch.batches + 1, images + _image_count(inputs), done + 1
            if now - last_message > _SECONDS_BETWEEN_MESSAGES:
                logger.info(watch.describe(done, total))
                last_message = now
            waiting_since = time.perf_counter()
        call["on_end"]()
    _log_summary(logger, watch, images, time.perf_counter() - begin)
    results = evaluator.evaluate()
    return {} if results is None else results


@contextmanager
def inference_context(model: nn.Module) -> Iterator[None]:
    """Put a model into eval mode for the `with` block, and back into its former mode after it, whatever happens."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _image_count(inputs: Any) -> int:
    return len(inputs) if isinstance(inputs, (list, tuple)) else 1


def _log_summary(logger: logging.Logger, watch: _Stopwatch, images: int, seconds: float) -> None:
    count, devices = max(images, 1), get_world_size()
    logger.info(
        "Total inference time: %s (data %.6f, compute %.6f, eval %.6f s / img per device, on %d devices)",
        datetime.timedelta(seconds=int(seconds)),
        watch.data / count,
        watch.compute / count,
        watch.evaluate / count,
        devices,
    )
