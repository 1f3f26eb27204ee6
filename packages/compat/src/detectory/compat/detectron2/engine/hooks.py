"""Hooks under Detectron2's module path."""

from detectory.compat.fvcore.common.timer import Timer
from detectory.core.checkpoint import Checkpointer
from detectory.engine.hooks import (
    AutogradProfiler,
    BestCheckpointer,
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

__all__ = [
    "AutogradProfiler",
    "BestCheckpointer",
    "CallbackHook",
    "Checkpointer",
    "EvalHook",
    "IterationTimer",
    "LRScheduler",
    "ParamScheduler",
    "PeriodicCheckpointer",
    "PeriodicWriter",
    "PreciseBN",
    "Timer",
    "TorchMemoryStats",
    "TorchProfiler",
]
