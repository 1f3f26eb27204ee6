"""Advice from the statistics of a dataset: what a recipe misses, and the config keys that change it."""

from detectory.engine.advice.advice import Advice, format_advice
from detectory.engine.advice.advise import advise

__all__ = ["Advice", "advise", "format_advice"]
