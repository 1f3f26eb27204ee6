"""Panoptic segmentation evaluation."""

from __future__ import annotations

from .evaluator import COCOPanopticEvaluator, panoptic_quality

__all__ = ["COCOPanopticEvaluator", "panoptic_quality"]
