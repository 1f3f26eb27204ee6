"""make_plan: the plan of a training from a dataset, a recipe, a machine and the user's settings."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from omegaconf import DictConfig, ListConfig, OmegaConf

from detectory.engine.plan.epochs import choose_epochs
from detectory.engine.plan.facts import DatasetFacts, describe_validation
from detectory.engine.plan.machine import Machine
from detectory.engine.plan.request import PlanRequest
from detectory.engine.plan.training_plan import Choice, TrainingPlan
from detectory.engine.plan.weights import InitialWeights

MAX_EVALUATIONS = 30
MAX_WARMUP_FRACTION = 0.05
CHECKPOINTS_KEPT = 3
#: Limit of the norm of all gradients for recipes that do not clip. Trained detectors stay below it.
GRADIENT_NORM_LIMIT = 10.0
#: On a CPU, images of more pixels are trained in batches of two instead of four.
_LARGE_CPU_IMAGE = 512
_MAX_WORKERS = 8
#: Small objects should have at least this size after resizing, in pixels. Otherwise larger images are used.
_MIN_OBJECT_PIXELS = 12
_SIZE_FACTORS = (1.0, 1.5, 2.0)
_MAX_ENLARGEMENT = 4.0


@dataclass(frozen=True)
class RecipeSchedule:
    """The values of a recipe that belong together and are scaled by a plan.

    Attributes:
        lr: Learning rate.
        images_per_step: Images per optimizer step.
        warmup: Iterations of the warm-up; None if the schedule has none.
    """

    lr: float
    images_per_step: int
    warmup: int | None

    @classmethod
    def of(cls, config: DictConfig) -> "RecipeSchedule":
        """Return the schedule of a recipe before a user changes it."""
        accumulation = int(config.train.get("accumulation_steps") or 1)
        fraction = OmegaConf.select(config, "lr_multiplier.warmup_length")
        warmup = None if fraction is None else round(float(fraction) * int(config.train.max_iter))
        return cls(float(config.optimizer.lr), int(config.dataloader.train.total_batch_size) * accumulation, warmup)


#: Returns the largest number of images per process that fits into the memory of the GPU, up to a maximum.
FindBatch = Callable[[int], int]


def make_plan(
    facts: DatasetFacts,
    config: DictConfig,
    machine: Machine,
    weights: InitialWeights,
    request: PlanRequest = PlanRequest(),  # noqa: B008
    *,
    recipe: Choice[str] = Choice("", ""),  # noqa: B008
    schedule: RecipeSchedule | None = None,
    find_batch: FindBatch | None = None,
    settings: Mapping[str, str] | None = None,
) -> TrainingPlan:
    """Return the plan of a training. Nothing is built or trained, except by `find_batch`.

    Args:
        facts: The dataset.
        config: The recipe, with the overrides of the user.
        machine: The machine that trains.
        weights: The initial weights.
        request: The user's values.
        recipe: Name of the recipe and why it was chosen.
        schedule: The recipe's schedule without overrides; by default that of `config`.
        find_batch: Finds the batch size on a GPU; by default the recipe's is used.
        settings: Other `KEY=VALUE` settings of the user, to be listed.
    """
    own = schedule or RecipeSchedule.of(config)
    size = _image_size(facts, config, machine, request)
    batch = _batch(facts, own, machine, request, size.value, find_batch)
    accumulation = _accumulation(config, request)
    epochs, iterations = _length(facts, request, weights, batch.value * accumulation.value)
    return TrainingPlan(
        recipe=recipe,
        images=Choice(facts.images, _describe_images(facts)),
        val_images=Choice(facts.val_images, describe_validation(facts)),
        weights=Choice(weights.source, weights.reason, weights.is_set),
        epochs=epochs,
        iterations=iterations,
        batch=batch,
        accumulation=accumulation,
        lr=_learning_rate(own, request, batch.value * accumulation.value),
        warmup=_warmup(own, iterations.value),
        clip=_clip(config),
        image_size=size,
        workers=_workers(machine, request),
        eval_every=_evaluation_period(facts, request, iterations.value, batch.value * accumulation.value),
        checkpoints=Choice(CHECKPOINTS_KEPT, "and the best and the final model"),
        checkpoint=weights.checkpoint,
        settings=dict(settings or {}),
    )


def _describe_images(facts: DatasetFacts) -> str:
    names = f"{len(facts.classes)} class{'es' * (len(facts.classes) != 1)}, {facts.objects:,} objects"
    if not facts.empty_images:
        return names
    verb = "is" if facts.empty_images == 1 else "are"
    return f"{names}; {_plural(facts.empty_images, 'image')} without objects {verb} unused"


def _image_size(
    facts: DatasetFacts, config: DictConfig, machine: Machine, request: PlanRequest
) -> Choice[tuple[int, int] | None]:
    own = recipe_size(config)
    if own is None:
        if request.image_size is not None:
            raise ValueError(
                "plan: image_size needs a recipe with ResizeShortestEdge as the first test augmentation. "
                "Set the sizes in dataloader.train.mapper.augmentations instead"
            )
        return Choice(None, "the recipe's augmentations")
    short, longest = own
    ratio = longest / short
    if request.keeps_size:
        return Choice(own, "", is_set=True)
    if request.image_size is not None:
        return Choice((request.image_size, round(request.image_size * ratio)), "", is_set=True)
    if short > _MAX_ENLARGEMENT * facts.short_edge:
        smaller = max(round(_MAX_ENLARGEMENT * facts.short_edge / 32) * 32, 32)
        if smaller < short:
            return Choice(
                (smaller, round(smaller * ratio)), f"{_MAX_ENLARGEMENT:g} times the images of {facts.short_edge} pixels"
            )
    if machine.device != "cpu":
        return Choice(own, "the recipe's size")
    for factor in _SIZE_FACTORS:
        candidate = round(short * factor / 32) * 32
        if factor > 1 and candidate > facts.short_edge:
            break
        chosen, chosen_factor = candidate, factor
        if candidate * facts.small_object >= _MIN_OBJECT_PIXELS:
            break
    if chosen_factor == 1:
        return Choice(own, "the recipe's size")
    pixels = facts.small_object * chosen
    return Choice((chosen, round(chosen * ratio)), f"small objects then have {pixels:.0f} pixels")


def recipe_size(config: DictConfig) -> tuple[int, int] | None:
    """Return the length of the shorter image side in the recipe's tests and the maximum of the longer one, or None."""
    resize = OmegaConf.select(config, "dataloader.test.mapper.augmentations")
    if not resize or resize[0].get("short_edge_length") is None:
        return None
    short = resize[0].short_edge_length
    short = max(short) if isinstance(short, (ListConfig, list)) else int(short)
    return int(short), int(resize[0].get("max_size") or 1333)


def _batch(
    facts: DatasetFacts,
    schedule: RecipeSchedule,
    machine: Machine,
    request: PlanRequest,
    size: tuple[int, int] | None,
    find_batch: FindBatch | None,
) -> Choice[int]:
    own = schedule.images_per_step
    if isinstance(request.batch, int):
        if request.batch % machine.processes:
            raise ValueError(
                f"plan: batch must be divisible by the number of processes, got {request.batch} and {machine.processes}"
            )
        return Choice(request.batch, "", is_set=True)
    limit = max(facts.images // machine.processes, 1)
    if machine.device == "cpu":
        is_large = size is None or size[0] > _LARGE_CPU_IMAGE
        per_process = min(2 if is_large else 4, own)
        reason = f"a CPU, images of {'more than' if is_large else 'up to'} {_LARGE_CPU_IMAGE} pixels"
    elif find_batch is None:
        per_process, reason = max(own // machine.processes, 1), "the recipe's batch"
    else:
        maximum = max(own // machine.processes, 1) if request.batch is None else max(own, 64)
        per_process = find_batch(min(maximum, limit))
        reason = f"the largest batch that fits into the memory of {machine.name}"
        reason = "the recipe's batch, which fits into the memory" if per_process == maximum else reason
    if per_process > limit:
        per_process, reason = limit, "no more images than the dataset has"
    return Choice(per_process * machine.processes, reason, is_set=request.batch == "auto")


def _accumulation(config: DictConfig, request: PlanRequest) -> Choice[int]:
    if request.accumulation is not None:
        return Choice(request.accumulation, "", is_set=True)
    return Choice(int(config.train.get("accumulation_steps") or 1), "the recipe's value")


def _length(
    facts: DatasetFacts, request: PlanRequest, weights: InitialWeights, images_per_step: int
) -> tuple[Choice[float], Choice[int]]:
    """Return the epochs and the iterations."""
    if request.iterations is not None:
        epochs = request.iterations * images_per_step / max(facts.images, 1)
        iterations = request.iterations
        return Choice(round(epochs, 2), "by the iterations"), Choice(iterations, "", is_set=True)
    if request.epochs is not None:
        chosen: Choice[float] = Choice(request.epochs, "", is_set=True)
    else:
        chosen = Choice(*choose_epochs(facts.images, weights.has_heads))
    iterations = max(math.ceil(chosen.value * facts.images / images_per_step), 1)
    return chosen, Choice(iterations, f"{_plural(facts.images, 'image')} in batches of {images_per_step}")


def _learning_rate(own: RecipeSchedule, request: PlanRequest, images_per_step: int) -> Choice[float]:
    if request.lr is not None:
        return Choice(request.lr, "", is_set=True)
    if images_per_step == own.images_per_step:
        return Choice(own.lr, "the recipe's value")
    scaled = float(f"{own.lr * images_per_step / own.images_per_step:.6g}")
    return Choice(scaled, f"{own.lr:g} for {own.images_per_step} images, in proportion")


def _warmup(own: RecipeSchedule, iterations: int) -> Choice[int]:
    if own.warmup is None:
        return Choice(0, "the recipe's schedule has no warm-up")
    limit = int(MAX_WARMUP_FRACTION * iterations)
    if own.warmup <= limit:
        return Choice(own.warmup, "the recipe's value")
    return Choice(limit, f"{MAX_WARMUP_FRACTION:.0%} of the training")


def _clip(config: DictConfig) -> Choice[float | None]:
    if config.train.get("clip_gradients"):
        return Choice(None, "the recipe clips the gradients")
    return Choice(GRADIENT_NORM_LIMIT, "only exceeded if the training is about to diverge")


def _workers(machine: Machine, request: PlanRequest) -> Choice[int]:
    if request.workers is not None:
        return Choice(request.workers, "", is_set=True)
    cores = _plural(machine.cores, "core")
    if machine.device == "cpu":
        count = min(max(machine.cores // 4, 0), 2)
        return Choice(count, f"{cores}, which the training needs" if count == 0 else cores)
    return Choice(max(min(machine.cores - 1, _MAX_WORKERS), 0), cores)


def _evaluation_period(facts: DatasetFacts, request: PlanRequest, iterations: int, images_per_step: int) -> Choice[int]:
    if request.eval_every is not None:
        return Choice(request.eval_every, "", is_set=True)
    if not facts.val_images:
        return Choice(0, "no images to evaluate on")
    epochs = iterations * images_per_step / max(facts.images, 1)
    # Evaluations of a large validation split must not take longer than the training.
    affordable = max(iterations * images_per_step // facts.val_images, 2)
    count = max(min(round(epochs), MAX_EVALUATIONS, affordable), 1)
    per_epoch = max(math.ceil(facts.images / images_per_step), 1)
    period = max(math.ceil(iterations / count / per_epoch), 1) * per_epoch
    passes = period // per_epoch
    return Choice(min(period, iterations), "once per epoch" if passes == 1 else f"every {passes} epochs")


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
