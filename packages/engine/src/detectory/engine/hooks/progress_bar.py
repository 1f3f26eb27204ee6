"""ProgressBar: a live progress bar in the terminal."""

import logging
import math
import sys
import time
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from detectory.core.logging import is_log_visible
from detectory.engine.hooks.headline_metrics import headline_metrics
from detectory.engine.trainers.training_loop import HookBase

_logger = logging.getLogger(__name__)
_SECONDS_BETWEEN_UPDATES = 0.2
_SECONDS_BETWEEN_LINES = (10.0, 60.0)


class ProgressBar(HookBase):
    """Shows the iteration, remaining time, losses, metrics, learning rate and GPU memory during training.

    The bar is only drawn in a terminal, so that log files contain no control characters. Elsewhere, for example in a
    notebook, a line is printed after ten seconds and then less and less often, up to once per minute. There are no
    such lines if the log is visible, because the log contains the same values.

    Args:
        console: The console to draw on; by default stderr.
        losses: Maximum number of losses to show besides the total.
    """

    def __init__(self, console: Console | None = None, losses: int = 4) -> None:
        self._console = console or Console(file=sys.stderr)
        self._losses = losses
        self._progress: Progress | None = None
        self._start = self._last = 0.0

    def before_train(self) -> None:
        """Start the progress bar."""
        if not self._console.is_terminal or self._console.is_jupyter:
            self._start = self._last = time.monotonic()
            return
        self._progress = Progress(
            TextColumn("{task.completed}/{task.total}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[status]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=self._console,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
        )
        self._progress.start()
        self._progress.add_task("", total=self.trainer.max_iter, completed=self.trainer.start_iter, status="")

    def after_step(self) -> None:
        """Update the progress bar, at most five times per second, or print a line."""
        now = time.monotonic()
        if self._progress is None:
            shortest, longest = _SECONDS_BETWEEN_LINES
            interval = min(max((now - self._start) / 10, shortest), longest)
            if now - self._last >= interval and not is_log_visible(_logger):
                self._last = now
                done = f"{self.trainer.iter + 1}/{self.trainer.max_iter}"
                sys.stdout.write(f"{done}  {describe_progress(self.trainer, self._losses)}\n")
                sys.stdout.flush()
            return
        if now - self._last < _SECONDS_BETWEEN_UPDATES:
            return
        self._last = now
        status = describe_progress(self.trainer, self._losses)
        self._progress.update(self._progress.task_ids[0], completed=self.trainer.iter + 1, status=status)

    def after_train(self) -> None:
        """Remove the progress bar."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def describe_progress(trainer: Any, losses: int = 4) -> str:
    """Describe the remaining time, losses (median of 20 iterations), metrics, learning rate and GPU memory.

    The remaining time does not include evaluations. Of each headline metric, the latest and the best value are shown.
    """
    histories = trainer.storage.histories()
    parts = []
    if "time" in histories:
        seconds = histories["time"].median(100) * (trainer.max_iter - trainer.iter - 1)
        parts.append(f"eta {int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02}")
    if "total_loss" in histories:
        parts.append(f"loss {histories['total_loss'].median(20):.3f}")
    for name, label in headline_metrics(histories).items():
        values = [value for value, _ in histories[name].values() if math.isfinite(value)]
        if values:
            parts.append(f"{label} {values[-1]:.1f} (best {max(values):.1f})")
    if "lr" in histories:
        parts.append(f"lr {histories['lr'].latest():.2g}")
    if torch.cuda.is_available():
        parts.append(f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
    names = [name for name in histories if "loss" in name and "/" not in name and name != "total_loss"]
    parts += [f"{name.removeprefix('loss_')} {histories[name].median(20):.3f}" for name in names[:losses]]
    return "  ".join(parts)
