"""Overhead of trainers over the plain loop of examples/plain_train.py, for a model that computes almost nothing.

`plain` is the loop of the example: it writes a line of metrics.json per iteration, changes the learning rate, measures
the time of data and step, and checks for NaN. `trainer` does the same with hooks and writes metrics.json every 20
iterations; `everything` has all hooks and writers of `detectory train`. Checkpoints are not saved, because the time to
write them depends on the disk.

A step of the stub takes about 0.2 ms for five losses, their gradients and SGD, so that the overhead is visible; 20 ms
is typical for a fast detector.
"""

import importlib.util
import itertools
import json
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from detectory.core.checkpoint import Checkpointer
from detectory.core.events import JSONWriter
from detectory.engine import HookBase, SimpleTrainer, default_writers, hooks
from detectory.engine.schedules import CosineParamScheduler, WarmupParamScheduler

#: Seconds per step -> iterations per round.
ITERATIONS = {0.0: 1000, 0.02: 100}


class Stub(nn.Module):
    """Five losses of one parameter, after a busy wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.weight, self.seconds = nn.Parameter(torch.ones(())), seconds

    def forward(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return five losses after the busy wait."""
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            continue
        return {f"loss_{number}": self.weight * batch for number in range(5)}


def example() -> object:
    """Return the module with the plain loop."""
    path = Path(__file__).resolve().parents[2] / "examples" / "plain_train.py"
    spec = importlib.util.spec_from_file_location("plain_train", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PLAIN = example()


def plain(seconds: float, folder: Path) -> None:
    model, iterations = Stub(seconds), ITERATIONS[seconds]
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    batches = itertools.repeat(torch.ones(()))
    with open(folder / "plain.json", "w", encoding="utf-8") as log:
        rate = lambda iteration: PLAIN.learning_rate(iteration, iterations, 1e-6)  # noqa: E731
        PLAIN.fit(model, batches, optimizer, iterations, rate, lambda line: print(json.dumps(line), file=log))


def trainer(seconds: float, folder: Path) -> None:
    _train(seconds, [hooks.PeriodicWriter([JSONWriter(folder / "metrics.json")], 20)])


def everything(seconds: float, folder: Path) -> None:
    checkpoints = hooks.PeriodicCheckpointer(Checkpointer(nn.Identity(), folder, save_to_disk=False), 10_000)
    more = [checkpoints, hooks.NaNFinder(folder), hooks.EvalHook(0, dict), hooks.ProgressBar(), hooks.StopOnSignal()]
    _train(seconds, [*more, hooks.PeriodicWriter(default_writers(folder, ITERATIONS[seconds]), 20)])


def _train(seconds: float, more: list[HookBase]) -> None:
    model = Stub(seconds)
    own = SimpleTrainer(model, itertools.repeat(torch.ones(())), torch.optim.SGD(model.parameters(), lr=1e-6))
    schedule = WarmupParamScheduler(CosineParamScheduler(1.0, 0.0), 0.01, 0.1)
    own.register_hooks([hooks.IterationTimer(), hooks.LRScheduler(scheduler=schedule), *more])
    own.train(0, ITERATIONS[seconds])


@pytest.mark.parametrize("seconds", list(ITERATIONS), ids=["nothing", "20ms"])
@pytest.mark.parametrize("loop", [plain, trainer, everything], ids=["plain", "trainer", "everything"])
def test_iterations(benchmark, tmp_path, loop, seconds) -> None:
    benchmark.group = f"{ITERATIONS[seconds]} iterations of {seconds * 1000:.0f} ms"
    benchmark.pedantic(loop, args=(seconds, tmp_path), rounds=15, warmup_rounds=2)
    log = next(path for name in ("plain.json", "metrics.json") if (path := tmp_path / name).is_file())
    assert json.loads(log.read_text().splitlines()[-1])["iteration"] == ITERATIONS[seconds] - 1
