"""Panoptic quality under Detectron2's module path."""

from __future__ import annotations

from detectory.evaluation import COCOPanopticEvaluator

__all__ = ["COCOPanopticEvaluator"]
