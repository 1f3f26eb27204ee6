"""Callback hook."""

from tests.engine.hooks.idle_trainer import run

from detectory.engine import hooks


def test_calls_callbacks_with_the_trainer():
    calls = []
    names = ("before_train", "after_train", "before_step", "after_step")
    run([hooks.CallbackHook(**{name: lambda trainer, name=name: calls.append(name) for name in names})], 1)
    assert calls == ["before_train", "before_step", "after_step", "after_train"]
