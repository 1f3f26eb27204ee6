"""The estimate of a training's duration."""

import logging

import pytest

from detectory.engine.hooks import EvalHook, ExpectedDuration
from detectory.engine.hooks import expected_duration as module
from detectory.engine.trainers import TrainerBase


class ClockedTrainer(TrainerBase):
    """Each iteration advances a clock by a number of seconds, the first one by much more."""

    def __init__(self, clock: list[float], seconds: float) -> None:
        super().__init__()
        self.clock, self.seconds = clock, seconds

    def run_step(self) -> None:
        self.clock[0] += self.seconds * (100 if self.iter == 0 else 1)


@pytest.mark.parametrize(("start", "iterations"), [(0, 400), (50, 450)], ids=["new", "resumed"])
def test_the_first_slow_iteration_does_not_count(monkeypatch, caplog, start, iterations):
    clock = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])
    trainer = ClockedTrainer(clock, 2.0)
    trainer.register_hooks([ExpectedDuration()])
    with caplog.at_level(logging.INFO):
        trainer.train(start, iterations)
    messages = [record.message for record in caplog.records if record.name == module.__name__]
    assert messages == ["2 s per iteration: about 13 minutes for the remaining 390 iterations on this machine"]


@pytest.mark.parametrize(
    ("start", "period", "duration", "evaluations"),
    [(0, 20, "66 minutes", 20), (0, 0, "16 minutes", 1), (50, 100, "26 minutes", 5), (0, 4, "4 h 34 min", 98)],
)
def test_evaluations_are_included(monkeypatch, caplog, start, period, duration, evaluations):
    clock = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])

    def evaluate():
        clock[0] += 160.0

    trainer = ClockedTrainer(clock, 2.0)
    trainer.register_hooks(
        [ExpectedDuration(eval_period=period, seconds_per_evaluation=160.0), EvalHook(period, evaluate)]
    )
    with caplog.at_level(logging.INFO):
        trainer.train(start, start + 400)
    text = next(record.message for record in caplog.records if record.name == module.__name__)
    assert f"about {duration} for the remaining 390 iterations and {evaluations} evaluation" in text


def test_a_short_training_says_nothing(caplog):
    trainer = ClockedTrainer([0.0], 1.0)
    trainer.register_hooks([ExpectedDuration()])
    with caplog.at_level(logging.INFO):
        trainer.train(0, 9)
    assert not [record for record in caplog.records if record.name == module.__name__]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(40, "40 seconds"), (420, "7 minutes"), (7800, "2 h 10 min"), (260000, "3 days")],
)
def test_durations_are_rounded(seconds, text):
    assert module.format_duration(seconds) == text
