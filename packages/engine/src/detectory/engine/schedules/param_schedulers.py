"""Schedules: functions from the progress of a training, in [0, 1), to a factor of the learning rate."""

import bisect
import itertools
import math
from collections.abc import Sequence


class ParamScheduler:
    """A function of the progress `where` in [0, 1): 0 is the first iteration, 1 would be the one after the last."""

    WHERE_EPSILON = 1e-6

    def __call__(self, where: float) -> float:
        """Return the value at `where`; a subclass defines it."""
        raise TypeError(f"{type(self).__name__} must define __call__()")


class ConstantParamScheduler(ParamScheduler):
    """Always `value`."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, where: float) -> float:
        """Return the value."""
        return self.value


class CosineParamScheduler(ParamScheduler):
    """Half a cosine from `start_value` to `end_value`.

    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, equation 5, without
    restarts.
    """

    def __init__(self, start_value: float, end_value: float) -> None:
        self._start_value, self._end_value = start_value, end_value

    def __call__(self, where: float) -> float:
        """Return the value at `where`."""
        span = self._start_value - self._end_value
        return self._end_value + 0.5 * span * (1 + math.cos(math.pi * where))


class ExponentialParamScheduler(ParamScheduler):
    """`start_value * decay ** where`."""

    def __init__(self, start_value: float, decay: float) -> None:
        self._start_value, self._decay = start_value, decay

    def __call__(self, where: float) -> float:
        """Return the value at `where`."""
        return self._start_value * self._decay**where


class LinearParamScheduler(ParamScheduler):
    """A straight line from `start_value` to `end_value`."""

    def __init__(self, start_value: float, end_value: float) -> None:
        self._start_value, self._end_value = start_value, end_value

    def __call__(self, where: float) -> float:
        """Return the value at `where`."""
        return self._end_value * where + self._start_value * (1 - where)


class PolynomialDecayParamScheduler(ParamScheduler):
    """`base_value * (1 - where) ** power`."""

    def __init__(self, base_value: float, power: float) -> None:
        self._base_value, self._power = base_value, power

    def __call__(self, where: float) -> float:
        """Return the value at `where`."""
        return self._base_value * (1 - where) ** self._power


class MultiStepParamScheduler(ParamScheduler):
    """One value after the other, changing at milestones.

    Only the ratios count: milestones 3, 6 and 9 mean the same as 30, 60 and 90.

    Args:
        values: The values.
        num_updates: Where the last range ends, the last milestone by default.
        milestones: Where each range ends; the last may be left out when `num_updates` is given. By default the
            ranges are equal.

    Raises:
        ValueError: the milestones do not rise, do not fit the number of values, or neither argument is given.
    """

    def __init__(
        self, values: Sequence[float], num_updates: int | None = None, milestones: Sequence[int] | None = None
    ) -> None:
        if num_updates is None and not milestones:
            raise ValueError("MultiStepParamScheduler: give num_updates or milestones")
        if not values:
            raise ValueError("MultiStepParamScheduler: values must not be empty")
        if milestones is None:
            assert num_updates is not None
            width = math.ceil(num_updates / float(len(values)))
            milestones = [width * count for count in range(1, len(values))]
        elif num_updates is None:
            num_updates, milestones = milestones[-1], milestones[:-1]
        ends = list(milestones)
        if any(later <= earlier for earlier, later in itertools.pairwise(ends)):
            raise ValueError(f"MultiStepParamScheduler: milestones must rise, got {ends}")
        if ends and ends[-1] >= num_updates:
            raise ValueError(
                f"MultiStepParamScheduler: milestones must end before num_updates={num_updates}, got {ends}"
            )
        if len(values) != len(ends) + 1:
            raise ValueError(
                f"MultiStepParamScheduler: {len(values)} values need {len(values) - 1} milestones before "
                f"num_updates={num_updates}, got {ends}"
            )
        self._values, self._num_updates, self._milestones = list(values), num_updates, ends

    def __call__(self, where: float) -> float:
        """Return the value at `where`."""
        # The epsilon keeps an iteration at a milestone from falling before it by rounding.
        update = int((where + self.WHERE_EPSILON) * self._num_updates)
        return self._values[bisect.bisect_right(self._milestones, update)]


class StepParamScheduler(ParamScheduler):
    """One value after the other, each for an equal part of `num_updates`.

    Raises:
        ValueError: `num_updates` is not positive, or smaller than the number of values.
    """

    def __init__(self, num_updates: int | float, values: Sequence[float]) -> None:
        if num_updates <= 0:
            raise ValueError(f"StepParamScheduler: num_updates must be positive, got {num_updates}")
        if not values or num_updates < len(values):
            raise ValueError(f"StepParamScheduler: expected 1 to {num_updates} values, got {len(values)}")
        self._values = list(values)

    def __call__(self, where: float) -> float:
        """Return the value at `where`."""
        # A torch scheduler also asks for where = 1, behind the last iteration.
        return self._values[min(int((where + self.WHERE_EPSILON) * len(self._values)), len(self._values) - 1)]


class StepWithFixedGammaParamScheduler(ParamScheduler):
    """Starts with `base_value` and is multiplied by `gamma` at `num_decays` equal distances.

    Args:
        base_value: The first value.
        num_decays: How often it is multiplied.
        gamma: The factor.
        num_updates: The number of updates in all, which must exceed `num_decays`.

    Raises:
        ValueError: a number is not positive, or there are too few updates.
    """

    def __init__(self, base_value: float, num_decays: int, gamma: float, num_updates: int) -> None:
        for name, number in (("base_value", base_value), ("gamma", gamma), ("num_updates", num_updates)):
            if number <= 0:
                raise ValueError(f"StepWithFixedGammaParamScheduler: {name} must be positive, got {number}")
        if num_decays < 0:
            raise ValueError(f"StepWithFixedGammaParamScheduler: num_decays must not be negative, got {num_decays}")
        self.base_value, self.num_decays, self.gamma, self.num_updates = base_value, num_decays, gamma, num_updates
        values = [base_value]
        for _ in range(num_decays):
            values.append(values[-1] * gamma)
        self._steps = MultiStepParamScheduler(values, num_updates=num_updates)

    def __call__(self, where: float) -> float:
        """Return the value at `where`."""
        return self._steps(where)


class CompositeParamScheduler(ParamScheduler):
    """Schedules one after the other.

    Args:
        schedulers: The schedules.
        lengths: The share of the training that each gets; their sum is 1.
        interval_scaling: For each `"rescaled"`, which runs the whole schedule in its share, or `"fixed"`, which
            shows the part of the schedule that lies there.

    Raises:
        ValueError: the three do not fit each other.
    """

    def __init__(
        self, schedulers: Sequence[ParamScheduler], lengths: Sequence[float], interval_scaling: Sequence[str]
    ) -> None:
        if not schedulers:
            raise ValueError("CompositeParamScheduler: schedulers must not be empty")
        if not len(schedulers) == len(lengths) == len(interval_scaling):
            raise ValueError(
                f"CompositeParamScheduler: expected as many lengths and scalings as schedulers ({len(schedulers)}), "
                f"got {len(lengths)} and {len(interval_scaling)}"
            )
        if abs(sum(lengths) - 1.0) >= 1e-3:
            raise ValueError(f"CompositeParamScheduler: lengths must add up to 1, got {list(lengths)}")
        wrong = set(interval_scaling) - {"rescaled", "fixed"}
        if wrong:
            raise ValueError(f"CompositeParamScheduler: scaling must be 'rescaled' or 'fixed', got {sorted(wrong)}")
        self._schedulers, self._lengths = list(schedulers), list(lengths)
        self._interval_scaling = list(interval_scaling)

    def __call__(self, where: float) -> float:
        """Return the value at `where`."""
        index, end = 0, self._lengths[0]
        while (where + self.WHERE_EPSILON) > end and index < len(self._schedulers) - 1:
            index += 1
            end += self._lengths[index]
        if self._interval_scaling[index] == "rescaled":
            where = (where - (end - self._lengths[index])) / self._lengths[index]
        return self._schedulers[index](where)
