"""LVIS's evaluation under Detectron2's module path."""

from detectory.evaluation import LVISEvaluator

__all__ = ["LVISEvaluator"]
