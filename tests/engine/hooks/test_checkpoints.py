"""Periodic and best checkpoint hooks."""

import json

import pytest
import torch
from tests.engine.hooks.idle_trainer import LogValues, run
from torch import nn

from detectory.core.checkpoint import Checkpointer
from detectory.engine import hooks


@pytest.mark.parametrize(("mode", "best"), [("max", 3), ("min", 1)])
def test_keeps_the_best_checkpoint(tmp_path, mode, best):
    checkpointer = Checkpointer(nn.Linear(1, 1), tmp_path)
    run(
        [
            LogValues("score", [2.0, 1.0, float("nan"), 5.0, 5.0]),
            hooks.BestCheckpointer(1, checkpointer, "score", mode),
        ],
        5,
    )
    assert torch.load(tmp_path / "model_best.pth")["iteration"] == best
    record = json.loads((tmp_path / "model_best.json").read_text())
    assert (record["iteration"], record["completed"]) == (best, best + 1)
    assert not checkpointer.has_checkpoint()


def test_a_resumed_training_restores_the_best_value(tmp_path):
    checkpointer = Checkpointer(nn.Linear(1, 1), tmp_path)
    scores = [3.0, 1.0, 2.0, 2.0]
    run([LogValues("score", scores), hooks.BestCheckpointer(1, checkpointer, "score")], 2)
    run([LogValues("score", scores), hooks.BestCheckpointer(1, checkpointer, "score")], 4, start=2)
    assert torch.load(tmp_path / "model_best.pth")["iteration"] == 0


def test_warns_about_a_missing_metric(tmp_path, caplog):
    run([hooks.BestCheckpointer(1, Checkpointer(nn.Linear(1, 1), tmp_path), "score")], 2)
    assert "no metric 'score' in the storage" in caplog.text


def test_best_checkpointer_rejects_other_modes(tmp_path):
    with pytest.raises(ValueError, match="mode must be 'max' or 'min'"):
        hooks.BestCheckpointer(1, Checkpointer(nn.Linear(1, 1)), "score", "largest")


def test_saves_periodically_at_the_end_and_when_stopped(tmp_path):
    checkpointer = Checkpointer(nn.Linear(1, 1), tmp_path)
    run([hooks.PeriodicCheckpointer(checkpointer, 2)], 3)
    assert sorted(path.name for path in tmp_path.glob("*.pth")) == ["model_0000001.pth", "model_final.pth"]
    stop = hooks.CallbackHook(after_step=lambda trainer: trainer.stop("enough"))
    run([hooks.PeriodicCheckpointer(checkpointer, 100), stop], 50, start=10)
    assert checkpointer.get_checkpoint_file().endswith("model_0000010.pth")
