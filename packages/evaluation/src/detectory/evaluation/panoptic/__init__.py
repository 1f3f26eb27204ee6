"""Panoptic segmentation evaluation."""

from .evaluator import COCOPanopticEvaluator
from .quality import panoptic_quality

__all__ = ["COCOPanopticEvaluator", "panoptic_quality"]
