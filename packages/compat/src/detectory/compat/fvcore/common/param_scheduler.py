"""Parameter schedulers under fvcore's module path."""

from detectory.engine import schedules as native
from detectory.engine.schedules import (
    CompositeParamScheduler,
    ConstantParamScheduler,
    CosineParamScheduler,
    ExponentialParamScheduler,
    LinearParamScheduler,
    MultiStepParamScheduler,
    ParamScheduler,
    PolynomialDecayParamScheduler,
    StepParamScheduler,
)

__all__ = [
    "CompositeParamScheduler",
    "ConstantParamScheduler",
    "CosineParamScheduler",
    "ExponentialParamScheduler",
    "LinearParamScheduler",
    "MultiStepParamScheduler",
    "ParamScheduler",
    "PolynomialDecayParamScheduler",
    "StepParamScheduler",
    "StepWithFixedGammaParamScheduler",
]


class StepWithFixedGammaParamScheduler(native.StepWithFixedGammaParamScheduler):
    """A `StepWithFixedGammaParamScheduler` that is undefined after the last update, as in fvcore.

    Raises:
        IndexError: If called after the last update.
    """

    def __call__(self, where: float) -> float:
        """Return the value at `where`, which must be below 1."""
        if where >= 1.0:
            raise IndexError(f"StepWithFixedGammaParamScheduler: where must be below 1, got {where}")
        return super().__call__(where)
