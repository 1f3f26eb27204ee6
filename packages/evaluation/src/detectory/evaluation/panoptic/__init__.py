"""Panoptic segmentation evaluation."""

from .evaluator import COCOPanopticEvaluator, panoptic_quality

__all__ = ["COCOPanopticEvaluator", "panoptic_quality"]
