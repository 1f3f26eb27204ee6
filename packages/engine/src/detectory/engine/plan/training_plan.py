"""TrainingPlan: every choice of a training with its reason, as a table and as JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Generic, TypeVar

from detectory.engine.hooks.expected_duration import format_duration

Value = TypeVar("Value")
#: Name of the file in a run folder.
PLAN_FILE = "plan.json"


@dataclass(frozen=True)
class Choice(Generic[Value]):
    """A value of the plan and its reason in words.

    Attributes:
        value: The value.
        reason: Why the value was chosen.
        is_set: Whether the user has set the value.
    """

    value: Value
    reason: str
    is_set: bool = False


@dataclass(frozen=True)
class TrainingPlan:
    """The plan of a training. Numbers of iterations and images refer to all processes together.

    Attributes:
        recipe: Name of the recipe.
        images: Number of training images.
        val_images: Number of images that the model is evaluated on.
        weights: Initial weights: `"coco"`, `"imagenet"`, `"none"`, or a path or URL.
        checkpoint: Path or URL of the initial weights, `""` for random weights.
        epochs: Passes over the training images.
        iterations: Number of iterations.
        batch: Images per iteration.
        accumulation: Batches per optimizer step.
        lr: Learning rate after the warm-up.
        warmup: Iterations in which the learning rate increases.
        clip: Maximum norm of the gradient, or None if the recipe clips in another way.
        image_size: Length of the shorter side of the images, and maximum of the longer side, in pixels.
        workers: Processes that load images.
        eval_every: Iterations between evaluations; 0 evaluates only at the end.
        checkpoints: Number of recent checkpoints to keep, with the best and the final model.
        settings: `KEY=VALUE` settings of the user that are not in another line.
        training_seconds: Expected duration of all iterations on this machine, or None if it was not measured.
        evaluation_seconds: Expected duration of all evaluations, or None.
    """

    recipe: Choice[str]
    images: Choice[int]
    val_images: Choice[int]
    weights: Choice[str]
    epochs: Choice[float]
    iterations: Choice[int]
    batch: Choice[int]
    accumulation: Choice[int]
    lr: Choice[float]
    warmup: Choice[int]
    clip: Choice[float | None]
    image_size: Choice[tuple[int, int] | None]
    workers: Choice[int]
    eval_every: Choice[int]
    checkpoints: Choice[int]
    checkpoint: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    training_seconds: float | None = None
    evaluation_seconds: float | None = None

    @property
    def seconds(self) -> float | None:
        """Expected duration of the whole training in seconds, or None if it was not measured."""
        if self.training_seconds is None:
            return None
        return self.training_seconds + (self.evaluation_seconds or 0.0)

    @property
    def evaluations(self) -> int:
        """Number of evaluations, including the one at the end."""
        period = self.eval_every.value
        return 1 if not period else -(-self.iterations.value // period)

    def with_times(self, per_iteration: float, per_evaluation: float) -> "TrainingPlan":
        """Return the plan with the expected durations.

        Args:
            per_iteration: Seconds per iteration.
            per_evaluation: Seconds per evaluation.
        """
        return replace(
            self,
            training_seconds=per_iteration * self.iterations.value,
            evaluation_seconds=per_evaluation * self.evaluations,
        )

    def choices(self) -> Iterator[tuple[str, Choice[Any]]]:
        """Yield the name and the choice of every line."""
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Choice):
                yield item.name, value

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as a dictionary that JSON can contain."""
        return asdict(self)

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "TrainingPlan":
        """Return the plan of `to_dict`."""
        values: dict[str, Any] = {}
        for item in fields(cls):
            if item.name not in state:
                continue
            value = state[item.name]
            if isinstance(value, Mapping) and "reason" in value:
                inner = tuple(value["value"]) if isinstance(value["value"], list) else value["value"]
                value = Choice(inner, value["reason"], bool(value.get("is_set", False)))
            values[item.name] = value
        return cls(**values)

    def summary(self) -> str:
        """Return the plan in one line, with the expected duration if it was measured."""
        period = self.eval_every.value
        parts = [
            f"{_number(self.epochs.value)} epochs = {self.iterations.value:,} iterations of {self.batch.value} images",
            f"lr {self.lr.value:g}",
            f"evaluation every {period:,}" if period else "evaluation at the end",
        ]
        if self.seconds is not None:
            parts.append(f"about {format_duration(self.seconds)}")
        return ", ".join(parts)

    def rows(self) -> list[tuple[str, str, str]]:
        """Return name, value and reason of every line, as text."""
        rows = [
            (_LABELS[name], _text(name, choice.value), choice.reason + (" (set by you)" if choice.is_set else ""))
            for name, choice in self.choices()
            if not (name == "accumulation" and choice.value == 1) and choice.value is not None
        ]
        rows += [("setting", f"{key}={value}", "set by you") for key, value in self.settings.items()]
        if self.seconds is not None:
            rows.append(("duration", f"about {format_duration(self.seconds)}", _shares(self)))
        return rows

    def table(self) -> str:
        """Return the plan as aligned lines of name, value and reason."""
        rows = self.rows()
        first = max(len(row[0]) for row in rows)
        second = min(max(len(row[1]) for row in rows), 44)
        return "\n".join(f"{name:<{first}}  {value:<{second}}  {reason}".rstrip() for name, value, reason in rows)


_LABELS = {
    "recipe": "recipe",
    "images": "training images",
    "val_images": "evaluation images",
    "weights": "initial weights",
    "epochs": "epochs",
    "iterations": "iterations",
    "batch": "images per iteration",
    "accumulation": "batches per step",
    "lr": "learning rate",
    "warmup": "warm-up iterations",
    "clip": "gradient norm limit",
    "image_size": "image size",
    "workers": "loader processes",
    "eval_every": "evaluation every",
    "checkpoints": "checkpoints kept",
}


def _shares(plan: TrainingPlan) -> str:
    training, evaluation = plan.training_seconds or 0.0, plan.evaluation_seconds or 0.0
    return f"{format_duration(training)} of training, {format_duration(evaluation)} of evaluation"


def _text(name: str, value: Any) -> str:
    if name == "image_size":
        return f"{value[0]} pixels (at most {value[1]})"
    if name == "eval_every":
        return f"{value:,} iterations" if value else "the end only"
    return _number(value) if isinstance(value, (int, float)) else str(value)


def _number(value: float) -> str:
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:.3g}"
