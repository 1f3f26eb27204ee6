"""One line per evaluation."""

import logging

from tests.engine.hooks.idle_trainer import LogValues, run

from detectory.engine.hooks import EvaluationSummary

LINES = [
    "evaluation after 1 of 3 iterations: box AP 10.00 (best so far), mask AP 5.00",
    "evaluation after 2 of 3 iterations: box AP undefined (best 10.00 after 1), mask AP 6.00",
    "evaluation after 3 of 3 iterations: box AP 30.00 (best so far), mask AP 7.00",
]


def test_each_evaluation_is_one_line_with_the_best_value(caplog):
    caplog.set_level(logging.INFO, "detectory.engine.hooks")
    boxes, masks = LogValues("bbox/AP", [10.0, float("nan"), 30.0]), LogValues("segm/AP", [5.0, 6.0, 7.0])
    run([boxes, masks, EvaluationSummary()], 3)
    assert [record.getMessage() for record in caplog.records] == LINES


def test_resumed_training_continues_the_comparison(caplog):
    caplog.set_level(logging.INFO, "detectory.engine.hooks")
    summary = EvaluationSummary()
    summary.load_state_dict({"best": 40.0, "best_at": 1})
    run([LogValues("bbox/AP", [0.0, 30.0]), summary], 2, start=1)
    assert caplog.messages[-1] == "evaluation after 2 of 2 iterations: box AP 30.00 (best 40.00 after 1)"


def test_other_scalars_are_not_evaluations(caplog):
    caplog.set_level(logging.INFO, "detectory.engine.hooks")
    run([LogValues("validation/total_loss", [1.0]), EvaluationSummary()], 1)
    assert caplog.records == []
