"""The plan as a table, as a line and as JSON."""

import json

import pytest

from detectory.engine.plan import PlanRequest, TrainingPlan, make_plan


@pytest.fixture
def plan(facts, small, cpu, random_weights):
    return make_plan(facts, small, cpu, random_weights, PlanRequest(epochs=36, lr=0.001), settings={"train.seed": "1"})


def test_json_restores_the_plan(plan):
    timed = plan.with_times(0.5, 3.0)
    assert TrainingPlan.from_dict(json.loads(json.dumps(timed.to_dict()))) == timed


def test_the_summary_names_length_rate_evaluations_and_duration(plan):
    assert plan.summary() == "36 epochs = 9,000 iterations of 4 images, lr 0.001, evaluation every 500"
    assert plan.with_times(0.5, 3.0).summary().endswith(", about 76 minutes")


def test_the_table_has_the_reasons_and_the_users_settings(plan):
    lines = plan.table().splitlines()
    assert any(line.startswith("learning rate") and line.endswith("(set by you)") for line in lines)
    assert any(line.startswith("setting") and "train.seed=1" in line for line in lines)
    assert any(
        line.startswith("loader processes") and line.endswith("2 cores, which the training needs") for line in lines
    )


def test_a_request_repeats_a_plan_except_for_new_values(plan, facts, small, cpu, random_weights):
    repeated = PlanRequest.repeat(plan)
    again = make_plan(facts, small, cpu, random_weights, repeated)
    assert {name: choice.value for name, choice in again.choices()} == {
        name: choice.value for name, choice in plan.choices()
    }
    longer = make_plan(facts, small, cpu, random_weights, PlanRequest(epochs=50).merged(repeated))
    assert (longer.iterations.value, longer.lr.value) == (12500, 0.001)
