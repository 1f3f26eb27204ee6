"""Cityscapes evaluation of instance and semantic segmentation."""

from .evaluator import CityscapesEvaluator, CityscapesInstanceEvaluator, CityscapesSemSegEvaluator

__all__ = ["CityscapesEvaluator", "CityscapesInstanceEvaluator", "CityscapesSemSegEvaluator"]
