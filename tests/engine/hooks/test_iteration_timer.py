"""Iteration timer."""

import logging

from tests.engine.hooks.idle_trainer import run

from detectory.engine import hooks


def test_timer_ignores_the_warm_up(caplog):
    with caplog.at_level(logging.INFO):
        trainer = run([hooks.IterationTimer(warmup_iter=2)], 5)
    assert [iteration for _, iteration in trainer.storage.history("time").values()] == [2, 3, 4]
    assert "3 iterations took" in caplog.text
