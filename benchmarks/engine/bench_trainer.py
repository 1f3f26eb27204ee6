"""What a trainer costs over the bare loop of examples/plain_train.py: iterations of a model that does next to nothing.

The bare loop is the example's `fit` with what its `main` puts around it: a line of metrics.json for each iteration, a
learning rate that changes, the time of data and step, a check for NaN. `trainer` does the same with hooks and writes
metrics.json every 20 iterations; `everything` has all hooks and writers of `detectory train`. None of them saves a
checkpoint: that waits for the disk, which would be all that is measured.

The empty stub costs what five losses, their gradients and SGD cost torch, some 0.2 ms, so that its share shows each
microsecond of the trainer; 20 ms is the order of a fast detector's step.
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

#: Seconds of a step -> iterations of one round.
ITERATIONS = {0.0: 1000, 0.02: 100}


class Stub(nn.Module):
    """Five losses of one parameter, after a wait that keeps the processor busy."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.weight, self.seconds = nn.Parameter(torch.ones(())), seconds

    def forward(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the losses."""
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            continue
        return {f"loss_{number}": self.weight * batch for number in range(5)}


def example() -> object:
    """The module of the plain loop."""
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
