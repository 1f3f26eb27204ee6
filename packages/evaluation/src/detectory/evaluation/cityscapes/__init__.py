"""Cityscapes evaluation of instance and semantic segmentation."""

from __future__ import annotations

from .evaluator import CityscapesEvaluator, CityscapesInstanceEvaluator, CityscapesSemSegEvaluator

__all__ = ["CityscapesEvaluator", "CityscapesInstanceEvaluator", "CityscapesSemSegEvaluator"]
