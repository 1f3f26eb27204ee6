"""Hooks for checkpoints, evaluation, learning rate, logging, profiling and early stopping."""

from detectory.engine.hooks.callback import CallbackHook
from detectory.engine.hooks.checkpoints import BestCheckpointer, PeriodicCheckpointer
from detectory.engine.hooks.early_stopping import EarlyStopping
from detectory.engine.hooks.evaluation import EvalHook, flatten_results
from detectory.engine.hooks.evaluation_summary import EvaluationSummary
from detectory.engine.hooks.expected_duration import ExpectedDuration
from detectory.engine.hooks.iteration_timer import IterationTimer
from detectory.engine.hooks.learning_rate import LRScheduler
from detectory.engine.hooks.moving_average import MovingAverage
from detectory.engine.hooks.nan_finder import NaNFinder
from detectory.engine.hooks.periodic_writer import PeriodicWriter
from detectory.engine.hooks.precise_batch_norm import PreciseBN
from detectory.engine.hooks.profilers import AutogradProfiler, TorchMemoryStats, TorchProfiler
from detectory.engine.hooks.progress_bar import ProgressBar
from detectory.engine.hooks.run_record import RunRecord
from detectory.engine.hooks.termination import StopOnSignal

__all__ = [
    "AutogradProfiler",
    "BestCheckpointer",
    "CallbackHook",
    "EarlyStopping",
    "EvalHook",
    "EvaluationSummary",
    "ExpectedDuration",
    "IterationTimer",
    "LRScheduler",
    "MovingAverage",
    "NaNFinder",
    "PeriodicCheckpointer",
    "PeriodicWriter",
    "PreciseBN",
    "ProgressBar",
    "RunRecord",
    "StopOnSignal",
    "TorchMemoryStats",
    "TorchProfiler",
    "flatten_results",
]
