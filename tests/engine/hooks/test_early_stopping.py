"""Early stopping hook."""

import pytest
from tests.engine.hooks.idle_trainer import LogValues, run

from detectory.engine import hooks


@pytest.mark.parametrize(
    ("mode", "values", "stops_after"),
    [
        ("max", [1, 2, 3, 4, 5, 6, 7, 8], None),
        ("max", [1, 5, 4, 4.9, 9, 9, 9, 9], 3),
        ("min", [5, 4, 4, 4, 1, 1, 1, 1], 3),
        ("max", [1, 1.05, 1.1, 9, 9, 9, 9, 9], 2),
    ],
)
def test_stops_without_improvement(mode, values, stops_after):
    trainer = run([LogValues("AP", values), hooks.EarlyStopping(1, "AP", patience=2, mode=mode, min_delta=0.1)], 8)
    assert (trainer.iter if trainer.stop_reason else None) == stops_after


def test_early_stopping_resumes_its_count():
    first, second = (hooks.EarlyStopping(1, "AP", patience=3) for _ in range(2))
    run([LogValues("AP", [3, 1, 1]), first], 3)
    second.load_state_dict(first.state_dict())
    assert run([LogValues("AP", [2, 2]), second], 2).iter == 0


@pytest.mark.parametrize("arguments", [{"mode": "largest"}, {"patience": 0}])
def test_early_stopping_rejects_invalid_arguments(arguments):
    with pytest.raises(ValueError, match="EarlyStopping"):
        hooks.EarlyStopping(1, "AP", **arguments)
