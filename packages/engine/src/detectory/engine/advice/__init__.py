"""Advice from the statistics of a dataset: what a recipe misses, and the config keys that change it."""

from detectory.engine.advice.advice import Advice, format_advice
from detectory.engine.advice.advise import advise
from detectory.engine.advice.training_data import advise_on_training

__all__ = ["Advice", "advise", "advise_on_training", "format_advice"]
