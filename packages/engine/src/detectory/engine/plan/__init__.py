"""Training plans: schedule, batch, weights and image size from the dataset, the recipe and the machine.

- `facts`, `machine`, `request`: what a plan depends on: the dataset, the machine, and the values that a user sets
- `make`: `make_plan`, with `epochs` (the number of epochs) and `weights` (the initial weights)
- `training_plan`: `TrainingPlan`, as a table and as JSON
- `apply`: `apply_plan` writes a plan into a recipe
- `recipe_choice`: the recipe of a dataset
- `prepare`: `plan_training` does all of this for a dataset folder
- `start_checks`: `dry_run`, everything that can fail, once
- `rehearsal`, `batch_size`: measurements on this machine
"""

from detectory.engine.plan.apply import apply_plan, best_metric
from detectory.engine.plan.epochs import choose_epochs
from detectory.engine.plan.facts import DatasetFacts, dataset_facts
from detectory.engine.plan.machine import Machine
from detectory.engine.plan.make import RecipeSchedule, make_plan
from detectory.engine.plan.prepare import PlannedTraining, plan_training, read_plan
from detectory.engine.plan.recipe_choice import choose_recipe
from detectory.engine.plan.request import PlanRequest
from detectory.engine.plan.start_checks import dry_run
from detectory.engine.plan.training_plan import PLAN_FILE, Choice, TrainingPlan
from detectory.engine.plan.weights import InitialWeights, choose_weights, train_from_random

__all__ = [
    "PLAN_FILE",
    "Choice",
    "DatasetFacts",
    "InitialWeights",
    "Machine",
    "PlanRequest",
    "PlannedTraining",
    "RecipeSchedule",
    "TrainingPlan",
    "apply_plan",
    "best_metric",
    "choose_epochs",
    "choose_recipe",
    "choose_weights",
    "dataset_facts",
    "dry_run",
    "make_plan",
    "plan_training",
    "read_plan",
    "train_from_random",
]
