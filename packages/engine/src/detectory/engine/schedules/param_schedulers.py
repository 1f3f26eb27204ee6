"""Schedules: functions from training progress in [0, 1) to a learning rate factor."""

import bisect
import itertools
import math
from collections.abc import Sequence


class ParamScheduler:
    """A function of the progress `where` in [0, 1), the current iteration divided by the number of iterations."""

    WHERE_EPSILON = 1e-6

    def __call__(self, where: float) -> float:
        """Return the value at `where`. Subclasses must implement this."""
        raise TypeError(f"{type(self).__name__} must implement __call__()")


class ConstantParamScheduler(ParamScheduler):
    """The constant `value`."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, where: float) -> float:
        """Return the value."""
        return self.value


class CosineParamScheduler(ParamScheduler):
    """Half a cosine period from `start_value` to `end_value`.

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
    """Linear interpolation from `start_value` to `end_value`."""

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
    """Piecewise constant values that change at milestones.

    Only ratios matter: milestones 3, 6 and 9 are equivalent to 30, 60 and 90.

    Args:
        values: The values.
        num_updates: The end of the last interval; by default the last milestone.
        milestones: The end of each interval; the last one may be omitted if `num_updates` is given. By default the
            intervals are equal.

    Raises:
        ValueError: If the milestones do not increase or do not match the number of values, or if neither
            `num_updates` nor `milestones` is given.
    """

    def __init__(
        self, values: Sequence[float], num_updates: int | None = None, milestones: Sequence[int] | None = None
    ) -> None:
        if num_updates is None and not milestones:
            raise ValueError("MultiStepParamScheduler: num_updates or milestones must be given")
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
            raise ValueError(f"MultiStepParamScheduler: milestones must increase, got {ends}")
        if ends and ends[-1] >= num_updates:
            raise ValueError(
                f"MultiStepParamScheduler: milestones must end before num_updates={num_updates}, got {ends}"
            )
        if len(values) != len(ends) + 1:
            raise ValueError(
                f"MultiStepParamScheduler: {len(values)} values require {len(values) - 1} milestones below "
                f"num_updates={num_updates}, got {ends}"
            )
        self._values, self._num_updates, self._milestones = list(values), num_updates, ends

    def __call__(self, where: float) -> float:
        """Return the value at `where`."""
        # The epsilon prevents rounding from placing an iteration at a milestone before it.
        update = int((where + self.WHERE_EPSILON) * self._num_updates)
        return self._values[bisect.bisect_right(self._milestones, update)]


class StepParamScheduler(ParamScheduler):
    """Piecewise constant values on equal intervals.

    Raises:
        ValueError: If `num_updates` is not positive or is smaller than the number of values.
    """

    def __init__(self, num_updates: int | float, values: Sequence[float]) -> None:
        if num_updates <= 0:
            raise ValueError(f"StepParamScheduler: num_updates must be positive, got {num_updates}")
        if not values or num_updates < len(values):
            raise ValueError(f"StepParamScheduler: values must have 1 to {num_updates} elements, got {len(values)}")
        self._values = list(values)

    def __call__(self, where: float) -> float:
        """Return the value at `where`."""
        # Torch schedulers also evaluate where = 1, after the last iteration.
        return self._values[min(int((where + self.WHERE_EPSILON) * len(self._values)), len(self._values) - 1)]


class StepWithFixedGammaParamScheduler(ParamScheduler):
    """Starts at `base_value` and is multiplied by `gamma` `num_decays` times at equal intervals.

    Args:
        base_value: The initial value.
        num_decays: Number of multiplications.
        gamma: The factor.
        num_updates: Total number of updates; must exceed `num_decays`.

    Raises:
        ValueError: If an argument is not positive or there are too few updates.
    """

    def __init__(self, base_value: float, num_decays: int, gamma: float, num_updates: int) -> None:
        for name, number in (("base_value", base_value), ("gamma", gamma), ("num_updates", num_updates)):
            if number <= 0:
                raise ValueError(f"StepWithFixedGammaParamScheduler: {name} must be positive, got {number}")
        if num_decays < 0:
            raise ValueError(f"StepWithFixedGammaParamScheduler: num_decays must not be negative, got {num_decays}")
        self.base_value = base_value
        self.num_decays = num_decays
        self.gamma = gamma
        self.num_updates = num_updates
        values = [base_value]
        for _ in range(num_decays):
            values.append(values[-1] * gamma)
        self._steps = MultiStepParamScheduler(values, num_updates=num_updates)

    def __call__(self, where: float) -> float:
        """Return the value at `where`."""
        return self._steps(where)


class CompositeParamScheduler(ParamScheduler):
    """A sequence of schedules.

    Args:
        schedulers: The schedules.
        lengths: The fraction of the training for each schedule; must sum to 1.
        interval_scaling: `"rescaled"` compresses the complete schedule into its interval; `"fixed"` uses the part of
            the schedule that falls into the interval. One entry per schedule.

    Raises:
        ValueError: If the arguments are inconsistent.
    """

    def __init__(
        self, schedulers: Sequence[ParamScheduler], lengths: Sequence[float], interval_scaling: Sequence[str]
    ) -> None:
        if not schedulers:
            raise ValueError("CompositeParamScheduler: schedulers must not be empty")
        if not len(schedulers) == len(lengths) == len(interval_scaling):
            raise ValueError(
                f"CompositeParamScheduler: lengths and interval_scaling must have {len(schedulers)} elements, "
                f"got {len(lengths)} and {len(interval_scaling)}"
            )
        if abs(sum(lengths) - 1.0) >= 1e-3:
            raise ValueError(f"CompositeParamScheduler: lengths must sum to 1, got {list(lengths)}")
        wrong = set(interval_scaling) - {"rescaled", "fixed"}
        if wrong:
            raise ValueError(
                f"CompositeParamScheduler: interval_scaling must be 'rescaled' or 'fixed', got {sorted(wrong)}"
            )
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
