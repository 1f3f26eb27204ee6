"""ProgressBar: a live progress bar in the terminal."""

import sys
import time
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from detectory.engine.trainers.training_loop import HookBase

_SECONDS_BETWEEN_UPDATES = 0.2


class ProgressBar(HookBase):
    """Shows the iteration, losses, learning rate, remaining time and GPU memory during training.

    Disabled if the output is not a terminal, so that log files contain no control characters.

    Args:
        console: The console to draw on; by default stderr.
        losses: Maximum number of losses to show besides the total.
    """

    def __init__(self, console: Console | None = None, losses: int = 4) -> None:
        self._console = console or Console(file=sys.stderr)
        self._losses = losses
        self._progress: Progress | None = None
        self._last = 0.0

    def before_train(self) -> None:
        """Start the progress bar."""
        if not self._console.is_terminal:
            return
        self._progress = Progress(
            TextColumn("{task.completed}/{task.total}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[status]}"),
            console=self._console,
            transient=True,
        )
        self._progress.start()
        self._progress.add_task("", total=self.trainer.max_iter, completed=self.trainer.start_iter, status="")

    def after_step(self) -> None:
        """Update the progress bar, at most five times per second."""
        if self._progress is None or time.monotonic() - self._last < _SECONDS_BETWEEN_UPDATES:
            return
        self._last = time.monotonic()
        status = describe_progress(self.trainer, self._losses)
        self._progress.update(self._progress.task_ids[0], completed=self.trainer.iter + 1, status=status)

    def after_train(self) -> None:
        """Remove the progress bar."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def describe_progress(trainer: Any, losses: int = 4) -> str:
    """Describe the remaining time, losses (median of 20 iterations), learning rate and GPU memory."""
    histories = trainer.storage.histories()
    parts = []
    if "time" in histories:
        seconds = histories["time"].median(100) * (trainer.max_iter - trainer.iter - 1)
        parts.append(f"eta {int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02}")
    names = [name for name in histories if "loss" in name and "/" not in name]
    names.sort(key=lambda name: name != "total_loss")
    parts += [f"{name.removeprefix('loss_')} {histories[name].median(20):.3f}" for name in names[: losses + 1]]
    if "lr" in histories:
        parts.append(f"lr {histories['lr'].latest():.2g}")
    if torch.cuda.is_available():
        parts.append(f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
    return "  ".join(parts)
