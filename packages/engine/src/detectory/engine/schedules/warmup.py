"""WarmupParamScheduler: a warm-up followed by another schedule."""

from detectory.engine.schedules.param_schedulers import (
    CompositeParamScheduler,
    ConstantParamScheduler,
    LinearParamScheduler,
    ParamScheduler,
)


class WarmupParamScheduler(CompositeParamScheduler):
    """Starts at a fraction of a schedule's first value and reaches the schedule at the end of the warm-up.

    Source: Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017, section 2.2.

    Args:
        scheduler: The schedule after the warm-up.
        warmup_factor: Fraction of the schedule's first value to start at, such as 0.001.
        warmup_length: Fraction of the training for the warm-up, in [0, 1].
        warmup_method: `"linear"` increases linearly to the schedule's value at the end of the warm-up; `"constant"`
            keeps the initial value.
        rescale_interval: Compress the complete schedule into the time after the warm-up, instead of using the part
            that falls into it.

    Raises:
        ValueError: If `warmup_method` is unknown.
    """

    def __init__(
        self,
        scheduler: ParamScheduler,
        warmup_factor: float,
        warmup_length: float,
        warmup_method: str = "linear",
        rescale_interval: bool = False,
    ) -> None:
        # With rescaling, the schedule begins at the end of the warm-up.
        end_value = scheduler(0.0) if rescale_interval else scheduler(warmup_length)
        start_value = warmup_factor * scheduler(0.0)
        if warmup_method == "linear":
            warmup: ParamScheduler = LinearParamScheduler(start_value, end_value)
        elif warmup_method == "constant":
            warmup = ConstantParamScheduler(start_value)
        else:
            raise ValueError(f"WarmupParamScheduler: method must be 'linear' or 'constant', got '{warmup_method}'")
        super().__init__(
            [warmup, scheduler],
            lengths=[warmup_length, 1 - warmup_length],
            interval_scaling=["rescaled", "rescaled" if rescale_interval else "fixed"],
        )
