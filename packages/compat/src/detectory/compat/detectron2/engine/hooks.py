"""Hooks under Detectron2's module path."""

import os

from detectory.compat.detectron2.utils import comm
from detectory.compat.detectron2.utils.file_io import PathManager
from detectory.compat.fvcore.common.timer import Timer
from detectory.core.checkpoint import Checkpointer
from detectory.core.events import EventStorage, EventWriter
from detectory.engine import HookBase
from detectory.engine import hooks as native
from detectory.engine.hooks import (
    AutogradProfiler,
    CallbackHook,
    EvalHook,
    IterationTimer,
    LRScheduler,
    PeriodicCheckpointer,
    PeriodicWriter,
    PreciseBN,
    TorchMemoryStats,
    TorchProfiler,
)
from detectory.engine.schedules import ParamScheduler
from detectory.evaluation import flatten_results_dict

__all__ = [
    "AutogradProfiler",
    "BestCheckpointer",
    "CallbackHook",
    "Checkpointer",
    "EvalHook",
    "EventStorage",
    "EventWriter",
    "HookBase",
    "IterationTimer",
    "LRScheduler",
    "ParamScheduler",
    "PathManager",
    "PeriodicCheckpointer",
    "PeriodicWriter",
    "PreciseBN",
    "Timer",
    "TorchMemoryStats",
    "TorchProfiler",
    "comm",
    "flatten_results_dict",
]


class BestCheckpointer(native.BestCheckpointer):
    """A `BestCheckpointer` for any checkpointer with a `save` method; resuming still uses the last checkpoint."""

    def _save(self, iteration: int) -> None:
        last = self._checkpointer.get_checkpoint_file()
        self._checkpointer.save(self._prefix, iteration=iteration)
        if last:
            self._checkpointer.tag_last_checkpoint(os.path.basename(last))
