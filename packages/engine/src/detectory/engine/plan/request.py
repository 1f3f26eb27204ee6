"""PlanRequest: the lines of a training plan that a user sets."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf

from detectory.engine.plan.training_plan import TrainingPlan

#: Recipe key -> field of `PlanRequest` that the key sets.
PLANNED_KEYS = {
    "train.max_iter": "iterations",
    "dataloader.train.total_batch_size": "batch",
    "train.accumulation_steps": "accumulation",
    "optimizer.lr": "lr",
    "dataloader.train.num_workers": "workers",
    "train.eval_period": "eval_every",
    "train.init_checkpoint": "weights",
}


@dataclass(frozen=True)
class PlanRequest:
    """Values that replace those of the plan; None leaves the choice to the plan.

    Attributes:
        epochs: Passes over the training images.
        iterations: Number of iterations, instead of `epochs`.
        batch: Images per iteration over all processes; `"auto"` finds the largest batch that fits into GPU memory.
        accumulation: Batches per optimizer step.
        lr: Learning rate.
        image_size: Length of the shorter image side, in pixels.
        workers: Processes that load images.
        eval_every: Iterations between evaluations; 0 evaluates only at the end.
        weights: `"coco"`, `"imagenet"`, `"none"`, or the path or URL of a checkpoint.
        keeps_size: Whether the recipe's image sizes are kept, because the user has set the augmentations.
    """

    epochs: float | None = None
    iterations: int | None = None
    batch: int | Literal["auto"] | None = None
    accumulation: int | None = None
    lr: float | None = None
    image_size: int | None = None
    workers: int | None = None
    eval_every: int | None = None
    weights: str | None = None
    keeps_size: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "iterations", "accumulation", "lr", "image_size"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"plan: {name} must be positive, got {value}")
        for name in ("workers", "eval_every"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"plan: {name} must not be negative, got {value}")
        if self.batch is not None and self.batch != "auto" and not (isinstance(self.batch, int) and self.batch > 0):
            raise ValueError(f"plan: batch must be a positive number or 'auto', got {self.batch!r}")

    @classmethod
    def repeat(cls, plan: TrainingPlan) -> "PlanRequest":
        """Return the request that repeats an earlier plan."""
        size = plan.image_size.value
        return cls(
            iterations=plan.iterations.value,
            batch=plan.batch.value,
            accumulation=plan.accumulation.value,
            lr=plan.lr.value,
            image_size=size[0] if size is not None else None,
            workers=plan.workers.value,
            eval_every=plan.eval_every.value,
            weights=plan.weights.value,
        )

    def merged(self, earlier: "PlanRequest") -> "PlanRequest":
        """Return this request, with the values of an earlier one where this one leaves the choice."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in values.items():
            if value is None and not (name == "iterations" and self.epochs is not None):
                values[name] = getattr(earlier, name)
        return PlanRequest(**values)

    @property
    def is_empty(self) -> bool:
        """Whether the whole plan is chosen automatically."""
        return self == PlanRequest()

    def with_keys(self, config: DictConfig, keys: Sequence[str]) -> "PlanRequest":
        """Return the request with the values of recipe keys that a user has overridden, which take precedence.

        Args:
            config: The recipe after the overrides.
            keys: The overridden keys.
        """
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        values["keeps_size"] = self.keeps_size or any(".augmentations" in key for key in keys)
        for key, name in PLANNED_KEYS.items():
            if key in keys:
                value = OmegaConf.select(config, key)
                values[name] = (str(value) if value else "none") if name == "weights" else value
                if name == "iterations":
                    values["epochs"] = None
        return PlanRequest(**values)


def overridden_keys(overrides: Sequence[str]) -> list[str]:
    """Return the keys of `KEY=VALUE` arguments, without the marks `+`, `++` and `~`; `a[0]` is returned as `a.0`."""
    keys = [override.lstrip("+~").partition("=")[0] for override in overrides]
    return [re.sub(r"\[(-?\d+)\]", r".\1", key) for key in keys]
