"""LVIS evaluator under Detectron2's module path."""

from detectory.evaluation import LVISEvaluator

__all__ = ["LVISEvaluator"]
