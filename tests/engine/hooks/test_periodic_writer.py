"""Periodic writer hook."""

import pytest
from tests.engine.hooks.idle_trainer import run

from detectory.core.events import EventWriter, get_event_storage
from detectory.engine import hooks


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
