"""Training in one call, and the run that it returns."""

from detectory.engine.run.planned import train_planned
from detectory.engine.run.run import Run
from detectory.engine.run.training import train

__all__ = ["Run", "train", "train_planned"]
