"""Evaluators."""

from .evaluator import DensePoseCOCOEvaluator, Detectron2COCOEvaluatorAdapter, build_densepose_evaluator_storage

__all__ = ["DensePoseCOCOEvaluator", "Detectron2COCOEvaluatorAdapter", "build_densepose_evaluator_storage"]
