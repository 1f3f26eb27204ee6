"""Semantic segmentation evaluator under Detectron2's module path."""

from detectory.evaluation import SemSegEvaluator, load_image_into_numpy_array

__all__ = ["SemSegEvaluator", "load_image_into_numpy_array"]
