"""Training in one call, and the run that it returns."""

from detectory.engine.run.planned import show_plan, train_planned
from detectory.engine.run.run import Run
from detectory.engine.run.training import train

__all__ = ["Run", "show_plan", "train", "train_planned"]
