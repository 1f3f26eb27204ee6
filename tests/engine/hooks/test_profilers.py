"""Profiler hooks."""

import pytest
from tests.engine.hooks.idle_trainer import run

from detectory.engine import hooks


@pytest.mark.parametrize("profiler", [hooks.TorchProfiler, hooks.AutogradProfiler])
def test_profilers_save_the_selected_iteration(tmp_path, profiler):
    extra = {"save_tensorboard": False} if profiler is hooks.TorchProfiler else {"use_cuda": False}
    run([profiler(lambda trainer: trainer.iter == 1, tmp_path, **extra)], 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["profiler_iter1.json", "profiler_iter1.txt"]
    assert "aten::rand" in (tmp_path / "profiler_iter1.txt").read_text()
