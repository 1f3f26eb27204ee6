"""What a trainer costs over the bare loop of examples/plain_train.py: iterations of a model that does next to nothing.

The stub's own work is a fixed wait of 20 ms, the order of a fast detector's step, so that the share is that of a real
training. Both loops write losses, set the learning rate and measure time.
"""

from __future__ import annotations

import importlib.util
import itertools
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from detectory.core.checkpoint import Checkpointer
from detectory.core.events import JSONWriter
from detectory.engine import SimpleTrainer, hooks
from detectory.engine.schedules import LinearParamScheduler

ITERATIONS = 100


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


def plain(seconds: float, folder: Path) -> None:
    path = Path(__file__).resolve().parents[2] / "examples" / "plain_train.py"
    spec = importlib.util.spec_from_file_location("plain_train", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = Stub(seconds)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    batches = itertools.repeat(torch.ones(()))
    with open(folder / "plain.json", "w", encoding="utf-8") as log:
        module.fit(model, batches, optimizer, ITERATIONS, lambda _: 1e-6, lambda line: log.write(f"{line}\n"))


def trainer(seconds: float, folder: Path) -> None:
    model = Stub(seconds)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    own = SimpleTrainer(model, itertools.repeat(torch.ones(())), optimizer)
    checkpointer = Checkpointer(model, folder, trainer=own)
    writers = [JSONWriter(folder / "metrics.json")]
    own.register_hooks(
        [
            hooks.IterationTimer(),
            hooks.LRScheduler(scheduler=LinearParamScheduler(1.0, 0.5)),
            hooks.PeriodicCheckpointer(checkpointer, 10_000),
            hooks.PeriodicWriter(writers, 20),
            hooks.ProgressBar(),
            hooks.StopOnSignal(),
        ]
    )
    own.train(0, ITERATIONS)


@pytest.mark.parametrize("seconds", [0.0, 0.02], ids=["nothing", "20ms"])
@pytest.mark.parametrize("loop", [plain, trainer], ids=["plain", "trainer"])
def test_iterations(benchmark, tmp_path, loop, seconds) -> None:
    benchmark.group = f"{ITERATIONS} iterations of {seconds * 1000:.0f} ms"
    benchmark.pedantic(loop, args=(seconds, tmp_path), rounds=5, warmup_rounds=1)
