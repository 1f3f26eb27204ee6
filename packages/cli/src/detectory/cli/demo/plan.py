"""The demo's training plan: image size, batch size and iterations that fit the time budget on this machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from omegaconf import DictConfig

from detectory.engine.plan.rehearsal import measure_iterations
from detectory.engine.recipe.building import build_model, build_trainer

#: Fraction of the time budget for training; data generation, evaluation and export need the rest.
TRAINING_FRACTION = 0.7
#: With fewer iterations the model has learned too little for a result page.
MIN_ITERATIONS = 60


@dataclass(frozen=True)
class DemoPlan:
    """Size and length of the demo's training.

    Attributes:
        short_edge: Length of the shorter image side after resizing, in pixels.
        max_size: Maximum length of the longer side, in pixels.
        batch_size: Images per iteration.
        iterations: Number of iterations.
        width: Channels of the backbone's first stage.
        seconds_per_iteration: Measured on this machine; 0 if it was not measured.
    """

    short_edge: int
    max_size: int
    batch_size: int
    iterations: int
    width: int = 64
    seconds_per_iteration: float = 0.0

    @property
    def minutes(self) -> float:
        """Expected training time in minutes."""
        return self.iterations * self.seconds_per_iteration / 60


#: Plans for the generated shapes, best first. Box AP / mask AP on the validation images: 53.5 / 50.7 for the first,
#: 53.0 / 48.8 for the second in about 0.3 of the time, 47.4 / 41.2 for the third in about 0.2.
SHAPES_PLANS = (
    DemoPlan(256, 256, 8, 400),
    DemoPlan(192, 192, 4, 800, width=32),
    DemoPlan(160, 160, 4, 800, width=32),
)
DATASET_PLANS = (DemoPlan(288, 480, 8, 400), DemoPlan(192, 320, 4, 800, width=32))


def choose_plan(plans: Sequence[DemoPlan], minutes: float, measure: Callable[[DemoPlan], float]) -> DemoPlan:
    """Return the first plan that fits the budget, or the last one with as many iterations as fit.

    Args:
        plans: The candidates, best first.
        minutes: Time budget of the whole demo.
        measure: Returns the seconds per iteration of a plan on this machine.
    """
    budget = minutes * 60 * TRAINING_FRACTION
    for candidate in plans:
        plan = replace(candidate, seconds_per_iteration=measure(candidate))
        if plan.iterations * plan.seconds_per_iteration <= budget:
            return plan
    iterations = max(int(budget / plan.seconds_per_iteration), MIN_ITERATIONS)
    return replace(plan, iterations=iterations)


def measure_iteration(config: DictConfig) -> float:
    """Return the seconds of a training iteration of a recipe on this machine.

    The model that is trained for it is discarded.

    Args:
        config: A recipe whose dataset is registered.
    """
    return measure_iterations(build_trainer(config, build_model(config)), config.train.device)[0]
