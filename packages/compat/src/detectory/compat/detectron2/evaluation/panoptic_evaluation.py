"""Panoptic evaluator under Detectron2's module path."""

from detectory.evaluation import COCOPanopticEvaluator

__all__ = ["COCOPanopticEvaluator"]
