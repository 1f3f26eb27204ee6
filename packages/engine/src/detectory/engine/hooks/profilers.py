"""Profilers of operators and GPU memory."""

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from detectory.core.distributed import is_main_process
from detectory.engine.trainers.training_loop import HookBase

_logger = logging.getLogger(__name__)


class TorchProfiler(HookBase):
    """Profiles selected iterations with `torch.profiler` and saves traces for `chrome://tracing`.

    Args:
        enable_predicate: Called with the trainer before each iteration; returns whether to profile it, for example
            `lambda trainer: 10 < trainer.iter < 20`. The first iterations are slower than the others.
        output_dir: The folder for the traces, `profiler_iter<N>.json`, and for tables of the slowest operators,
            `profiler_iter<N>.txt`.
        activities: See `torch.profiler.profile`.
        save_tensorboard: Also save to `<output_dir>/log`, for TensorBoard's profiler page.
    """

    def __init__(
        self,
        enable_predicate: Callable[[Any], bool],
        output_dir: str | os.PathLike[str],
        *,
        activities: Iterable[torch.profiler.ProfilerActivity] | None = None,
        save_tensorboard: bool = True,
    ) -> None:
        self._enable_predicate = enable_predicate
        self._output_dir = Path(output_dir)
        self._activities = activities
        self._save_tensorboard = save_tensorboard
        self._profiler: Any = None

    def before_step(self) -> None:
        """Start the profiler if this iteration is selected."""
        if not self._enable_predicate(self.trainer):
            return
        on_trace_ready = None
        if self._save_tensorboard:
            worker = f"worker{'' if is_main_process() else torch.distributed.get_rank()}"
            on_trace_ready = torch.profiler.tensorboard_trace_handler(str(self._output_dir / "log"), worker)
        self._profiler = torch.profiler.profile(
            activities=self._activities,
            on_trace_ready=on_trace_ready,
            record_shapes=True,
            profile_memory=True,
            with_stack=True,
        )
        self._profiler.__enter__()

    def after_step(self) -> None:
        """Stop the profiler and save the results."""
        if self._profiler is None:
            return
        self._profiler.__exit__(None, None, None)
        if is_main_process():
            self._save(f"profiler_iter{self.trainer.iter}")
        self._profiler = None

    def _save(self, name: str) -> None:
        self._output_dir.mkdir(parents=True, exist_ok=True)
        if not self._save_tensorboard:
            # A profile can only be exported once, and TensorBoard's handler has exported it.
            self._profiler.export_chrome_trace(str(self._output_dir / f"{name}.json"))
        table = self._profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=15)
        (self._output_dir / f"{name}.txt").write_text(table, encoding="utf-8")
        _logger.info("saved the profile of iteration %d to %s", self.trainer.iter, self._output_dir)


class AutogradProfiler(TorchProfiler):
    """Profiles selected iterations with `torch.autograd.profiler` and saves traces for `chrome://tracing`.

    Args:
        enable_predicate: See `TorchProfiler`.
        output_dir: See `TorchProfiler`.
        use_cuda: Also measure GPU kernels.
    """

    def __init__(
        self, enable_predicate: Callable[[Any], bool], output_dir: str | os.PathLike[str], *, use_cuda: bool = True
    ) -> None:
        super().__init__(enable_predicate, output_dir, save_tensorboard=False)
        self._use_cuda = use_cuda

    def before_step(self) -> None:
        """Start the profiler if this iteration is selected."""
        if self._enable_predicate(self.trainer):
            device = "cuda" if self._use_cuda and torch.cuda.is_available() else None
            self._profiler = torch.autograd.profiler.profile(use_device=device)
            self._profiler.__enter__()


class TorchMemoryStats(HookBase):
    """Logs torch's GPU memory usage every `period` iterations. Does nothing without a GPU.

    Args:
        period: Number of iterations between messages.
        max_runs: Maximum number of messages.
    """

    def __init__(self, period: int = 20, max_runs: int = 10) -> None:
        self._period = period
        self._max_runs = max_runs
        self._runs = 0

    def after_step(self) -> None:
        """Log if the period has elapsed."""
        if self._runs >= self._max_runs or not torch.cuda.is_available():
            return
        if (self.trainer.iter + 1) % self._period and self.trainer.iter != self.trainer.max_iter - 1:
            return
        sizes = {
            "reserved": torch.cuda.memory_reserved(),
            "max reserved": torch.cuda.max_memory_reserved(),
            "allocated": torch.cuda.memory_allocated(),
            "max allocated": torch.cuda.max_memory_allocated(),
        }
        shown = ", ".join(f"{name} {size / 2**20:.0f} MiB" for name, size in sizes.items())
        _logger.info("iteration %d: GPU memory: %s", self.trainer.iter, shown)
        self._runs += 1
        torch.cuda.reset_peak_memory_stats()
