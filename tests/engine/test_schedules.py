import math

import pytest
import torch

from detectory.engine.schedules import (
    CompositeParamScheduler,
    ConstantParamScheduler,
    CosineParamScheduler,
    ExponentialParamScheduler,
    LinearParamScheduler,
    LRMultiplier,
    MultiStepParamScheduler,
    ParamScheduler,
    PolynomialDecayParamScheduler,
    StepParamScheduler,
    StepWithFixedGammaParamScheduler,
    WarmupParamScheduler,
)


def values(scheduler, steps):
    return [scheduler(step / steps) for step in range(steps)]


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        (ConstantParamScheduler(2.0), [2.0, 2.0, 2.0]),
        (LinearParamScheduler(1.0, 0.0), [1.0, 0.75, 0.5]),
        (CosineParamScheduler(1.0, 0.0), [1.0, 0.5 + math.cos(math.pi / 4) / 2, 0.5]),
        (ExponentialParamScheduler(2.0, 0.01), [2.0, 2 * 0.01**0.25, 0.2]),
        (PolynomialDecayParamScheduler(2.0, 2), [2.0, 1.125, 0.5]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_at_0_a_quarter_and_a_half(scheduler, expected):
    assert [scheduler(where) for where in (0.0, 0.25, 0.5)] == pytest.approx(expected)


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_updates": 9, "milestones": [3, 6]},
        {"num_updates": 9},
        {"milestones": [3, 6, 9]},
        {"milestones": [30, 60, 90]},
    ],
    ids=["both", "updates", "milestones", "scaled"],
)
def test_multi_step_accepts_four_equivalent_forms(arguments):
    assert values(MultiStepParamScheduler([1, 0.1, 0.01], **arguments), 9) == [1] * 3 + [0.1] * 3 + [0.01] * 3


@pytest.mark.parametrize("steps", [7, 90_000, 270_000])
def test_the_value_changes_at_the_milestone_iteration(steps):
    scheduler = MultiStepParamScheduler([1, 2], num_updates=steps, milestones=[steps - 3])
    assert [scheduler(step / steps) for step in range(steps - 5, steps)] == [1, 1, 2, 2, 2]


def test_step_uses_equal_intervals():
    assert values(StepParamScheduler(num_updates=6, values=[3, 2, 1]), 6) == [3, 3, 2, 2, 1, 1]


def test_step_with_fixed_gamma_multiplies():
    scheduler = StepWithFixedGammaParamScheduler(base_value=1.0, num_decays=3, gamma=0.5, num_updates=8)
    assert values(scheduler, 8) == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]


def test_composite_runs_schedules_in_sequence():
    parts = [ConstantParamScheduler(0.5), LinearParamScheduler(1.0, 0.0)]
    rescaled = CompositeParamScheduler(parts, [0.5, 0.5], ["rescaled", "rescaled"])
    fixed = CompositeParamScheduler(parts, [0.5, 0.5], ["rescaled", "fixed"])
    assert (rescaled(0.25), rescaled(0.75), fixed(0.75)) == (0.5, 0.5, 0.25)


def test_linear_warm_up_reaches_the_schedule():
    scheduler = WarmupParamScheduler(CosineParamScheduler(1.0, 0.0), warmup_factor=0.1, warmup_length=0.2)
    end = CosineParamScheduler(1.0, 0.0)(0.2)
    assert [scheduler(where) for where in (0.0, 0.1, 0.2, 0.6)] == pytest.approx(
        [0.1, (0.1 + end) / 2, end, CosineParamScheduler(1.0, 0.0)(0.6)]
    )


def test_constant_warm_up_keeps_its_value():
    scheduler = WarmupParamScheduler(ConstantParamScheduler(2.0), 0.5, 0.5, "constant")
    assert values(scheduler, 4) == [1, 1, 2, 2]


def test_warm_up_can_rescale_the_schedule():
    scheduler = WarmupParamScheduler(LinearParamScheduler(1.0, 0.0), 0.0, 0.5, rescale_interval=True)
    assert values(scheduler, 4) == [0.0, 0.5, 1.0, 0.5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MultiStepParamScheduler([1, 2]), "num_updates or milestones must be given"),
        (lambda: MultiStepParamScheduler([], num_updates=3), "values must not be empty"),
        (lambda: MultiStepParamScheduler([1, 2, 3], 9, [6, 3]), "milestones must increase"),
        (lambda: MultiStepParamScheduler([1, 2], 9, [9]), "must end before num_updates=9"),
        (lambda: MultiStepParamScheduler([1, 2], 9, [3, 6]), "2 values require 1 milestones"),
        (lambda: StepParamScheduler(0, [1]), "num_updates must be positive"),
        (lambda: StepParamScheduler(2, [1, 2, 3]), "must have 1 to 2 elements, got 3"),
        (lambda: StepWithFixedGammaParamScheduler(1, 3, 0, 9), "gamma must be positive"),
        (lambda: StepWithFixedGammaParamScheduler(1, -1, 1, 9), "num_decays must not be negative"),
        (lambda: CompositeParamScheduler([], [], []), "schedulers must not be empty"),
        (lambda: CompositeParamScheduler([ConstantParamScheduler(1)], [0.5], ["fixed"]), "must sum to 1"),
        (lambda: CompositeParamScheduler([ConstantParamScheduler(1)], [1], ["scaled"]), "'rescaled' or 'fixed'"),
        (lambda: CompositeParamScheduler([ConstantParamScheduler(1)], [1, 0], ["fixed"]), "must have 1 elements"),
        (lambda: WarmupParamScheduler(ConstantParamScheduler(1), 0.1, 0.1, "cosine"), "'linear' or 'constant'"),
    ],
)
def test_rejects_invalid_schedules(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_rejects_a_schedule_without_call():
    with pytest.raises(TypeError, match="must implement __call__"):
        ParamScheduler()(0.5)


@pytest.fixture
def optimizer():
    parameters = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (1.0, 10.0)]
    return torch.optim.SGD(parameters, lr=1.0)


def rates(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


def test_multiplier_preserves_the_ratio_of_groups(optimizer):
    scheduler = LRMultiplier(optimizer, LinearParamScheduler(1.0, 0.0), max_iter=4)
    found = [rates(optimizer)]
    for _ in range(4):
        optimizer.step()
        scheduler.step()
        found.append(rates(optimizer))
    assert found == [[1.0, 10.0], [0.75, 7.5], [0.5, 5.0], [0.25, 2.5], [0.0, 0.0]]


def test_multiplier_can_start_anywhere(optimizer):
    LRMultiplier(optimizer, LinearParamScheduler(1.0, 0.0), max_iter=4)
    LRMultiplier(optimizer, LinearParamScheduler(1.0, 0.0), max_iter=4, last_iter=1)
    assert rates(optimizer) == [0.5, 5.0]


def test_multiplier_does_not_save_the_schedule(optimizer):
    scheduler = LRMultiplier(optimizer, LinearParamScheduler(1.0, 0.0), max_iter=4)
    assert scheduler.state_dict() == {"base_lrs": [1.0, 10.0], "last_epoch": 0}


def test_multiplier_rejects_other_callables(optimizer):
    with pytest.raises(TypeError, match="multiplier must be a ParamScheduler"):
        LRMultiplier(optimizer, lambda where: where, max_iter=4)
