"""plan_training: a recipe, planned for a dataset folder and this machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from omegaconf import DictConfig

from detectory.core.config import LazyConfig
from detectory.core.devices import usable_device
from detectory.core.distributed import all_gather, get_world_size, is_main_process
from detectory.core.storage import read_json
from detectory.data import MetadataCatalog
from detectory.data.dataset_folder import DatasetFolder
from detectory.engine.plan.apply import apply_plan
from detectory.engine.plan.batch_size import find_batch
from detectory.engine.plan.facts import DatasetFacts, dataset_facts
from detectory.engine.plan.machine import Machine
from detectory.engine.plan.make import FindBatch, RecipeSchedule, make_plan
from detectory.engine.plan.quiet import only_errors
from detectory.engine.plan.recipe_choice import choose_recipe
from detectory.engine.plan.request import PLANNED_KEYS, PlanRequest, overridden_keys
from detectory.engine.plan.training_plan import PLAN_FILE, Choice, TrainingPlan
from detectory.engine.plan.weights import choose_weights
from detectory.engine.recipe.datasets import dataset_names
from detectory.engine.recipe.head_adaptation import describe_matches
from detectory.engine.recipe.lookup import load_recipe
from detectory.engine.recipe.use_dataset import use_dataset


@dataclass(frozen=True)
class PlannedTraining:
    """A recipe with a plan for a dataset folder.

    Attributes:
        config: The recipe, ready for `train`.
        plan: The plan that was written into the recipe.
        facts: The dataset.
    """

    config: DictConfig
    plan: TrainingPlan
    facts: DatasetFacts


def read_plan(folder: Path) -> TrainingPlan | None:
    """Return the plan of a run folder, or None if the run was not planned."""
    path = folder / PLAN_FILE
    return TrainingPlan.from_dict(read_json(path)) if path.is_file() else None


def plan_training(
    data: str | Path,
    recipe: str | None = None,
    request: PlanRequest = PlanRequest(),  # noqa: B008
    overrides: Sequence[str] = (),
    *,
    device: str | None = None,
    output: str | Path | None = None,
    resume: bool = False,
    find_batch: Callable[[DictConfig], FindBatch] = find_batch,
) -> PlannedTraining:
    """Return a recipe that is planned for a dataset folder and this machine. All processes of a training call this.

    Args:
        data: The dataset folder.
        recipe: Zoo name or file of the recipe; None chooses by dataset and device.
        request: Values of the plan that the user sets.
        overrides: `KEY=VALUE` arguments, which take precedence over the plan.
        device: Device of the training; by default the first GPU if there is one, else the CPU.
        output: The run folder; by default the recipe's.
        resume: Whether an earlier run in `output` will be continued: its plan is repeated, except for requested values.
        find_batch: Returns the function that finds the batch size of a recipe on a GPU.

    Raises:
        FileNotFoundError: If the dataset, the recipe or the weights are not found.
        CheckpointError: If the file of the weights is not a checkpoint.
        ValueError: If the dataset has no objects, or a requested value is not possible.
    """
    keys = overridden_keys(overrides)
    given = dict(zip(keys, (item.partition("=")[2] for item in overrides), strict=True))
    device = device or given.get("train.device")
    chosen_device = str(usable_device(device or ("cuda" if torch.cuda.is_available() else "cpu")))
    machine = Machine.this(chosen_device)
    earlier = read_plan(Path(output)) if resume and output is not None else None
    if earlier is not None:
        request = request.merged(PlanRequest.repeat(earlier))
        recipe = recipe or earlier.recipe.value
    chosen = Choice(recipe, "", is_set=True) if recipe is not None else _choose_recipe(Path(data), machine)
    config = load_recipe(chosen.value)
    original = dataset_names(config, "train")[:1]
    dataset = use_dataset(config, Path(data))
    schedule = RecipeSchedule.of(config)
    LazyConfig.apply_overrides(config, list(overrides))
    request = request.with_keys(config, keys)
    config.train.device = chosen_device
    if output is not None:
        config.train.output_dir = str(output)
    facts = dataset_facts(dataset, config.datasets.train, config.datasets.val)
    weights = choose_weights(chosen.value, config, request.weights)
    names = weights.classes or (MetadataCatalog.get(original[0]).get("thing_classes") if original else None)
    if weights.has_heads and names:
        reason = f"{weights.reason}; classes: {describe_matches(names, facts.classes)}".lstrip("; ")
        weights = replace(weights, reason=reason)
    plan = make_plan(
        facts,
        config,
        machine,
        weights,
        request,
        recipe=chosen,
        schedule=schedule,
        find_batch=find_batch(config) if machine.device == "cuda" else None,
        settings={key: value for key, value in given.items() if key not in PLANNED_KEYS},
    )
    if get_world_size() > 1:
        plan = all_gather(plan if is_main_process() else None)[0]
    apply_plan(config, plan, weights, facts, keys, init_dataset=next(iter(original), ""))
    return PlannedTraining(config, plan, facts)


def _choose_recipe(data: Path, machine: Machine) -> Choice[str]:
    with only_errors("detectory.data"):  # the dataset is loaded again, with its warnings
        dataset = DatasetFolder.find(data)
        facts = dataset_facts(dataset, *dataset.register(data.resolve().name))
    return Choice(*choose_recipe(facts, machine.device))
