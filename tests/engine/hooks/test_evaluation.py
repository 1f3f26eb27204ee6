"""Evaluation hook."""

import pytest
import torch
from tests.engine.hooks.idle_trainer import run

from detectory.core.events import get_event_storage
from detectory.engine import hooks


def test_evaluates_periodically_and_once_at_the_end():
    calls = []
    hook = hooks.EvalHook(2, lambda: calls.append(get_event_storage().iter) or {"bbox": {"AP": 1, "AP50": 2.0}})
    trainer = run([hook], 4)
    assert calls == [1, 4]
    assert trainer.storage.latest()["bbox/AP50"] == (2.0, 4)


def test_evaluation_preserves_the_random_state():
    draws = []
    for period in (0, 1):
        torch.manual_seed(0)
        trainer = run([hooks.EvalHook(period, lambda: {"x": torch.rand(()).item()})], 4)
        draws.append(trainer.storage.history("draw").values())
    assert draws[0] == draws[1]


def test_evaluation_rejects_non_numeric_metrics():
    with pytest.raises(ValueError, match="metric 'bbox/AP' must be a number, got 'high'"):
        run([hooks.EvalHook(1, lambda: {"bbox": {"AP": "high"}})], 2)


def test_does_not_evaluate_an_interrupted_training():
    calls = []
    with pytest.raises(ZeroDivisionError):
        run([hooks.EvalHook(0, lambda: calls.append(1)), hooks.CallbackHook(after_step=lambda _: 1 // 0)], 2)
    assert calls == []
