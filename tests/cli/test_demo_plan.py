"""The demo's plan: image size and iterations by the measured speed."""

import pytest

from detectory.cli.demo.plan import MIN_ITERATIONS, SHAPES_PLANS, DemoPlan, choose_plan


def seconds_on(machine: float):
    """Return a stand-in for the measurement: seconds per iteration grow with the pixels of a batch."""
    return lambda plan: machine * plan.width * plan.batch_size * plan.short_edge**2 / (64 * 8 * 256**2)


@pytest.mark.parametrize(
    ("machine", "size", "iterations"),
    [(0.5, 256, 400), (2.0, 192, 800), (3.0, 160, 800), (20.0, 160, 129), (1000.0, 160, MIN_ITERATIONS)],
    ids=["fast", "slow", "slower", "very slow", "hopeless"],
)
def test_the_plan_fits_the_machine(machine, size, iterations):
    plan = choose_plan(SHAPES_PLANS, 6, seconds_on(machine))
    assert (plan.short_edge, plan.iterations) == (size, iterations)


def test_a_larger_budget_allows_the_better_plan():
    assert choose_plan(SHAPES_PLANS, 20, seconds_on(2.0)).short_edge == 256


def test_minutes_are_those_of_the_training():
    assert DemoPlan(160, 160, 4, 600, seconds_per_iteration=0.5).minutes == 5
