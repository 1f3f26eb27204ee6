"""Periodic writer hook."""

import pytest
from tests.engine.hooks.idle_trainer import LogValues, run

from detectory.core.events import EventWriter, JSONWriter, get_event_storage
from detectory.engine import hooks
from detectory.engine.report import read_history


def test_writes_periodically_and_at_the_end():
    class Writer(EventWriter):
        calls = ()

        def write(self):
            self.calls += (get_event_storage().iter,)

        def close(self):
            self.calls += ("closed",)

    writer = Writer()
    run([hooks.PeriodicWriter([writer], period=2)], 5)
    assert writer.calls == (1, 3, 4, 5, "closed")


def test_writer_hook_rejects_other_objects():
    with pytest.raises(TypeError, match="writers must be EventWriter"):
        hooks.PeriodicWriter([print])


def test_writers_are_run_after_each_evaluation(tmp_path):
    metric = LogValues("bbox/AP", [0.0, 1.0, 2.0, 3.0])
    run([metric, hooks.PeriodicWriter([JSONWriter(tmp_path / "metrics.json")], 20, eval_period=2)], 4)
    assert read_history(tmp_path)["bbox/AP"] == ([1.0, 3.0], [1.0, 3.0])
