"""LVIS's evaluation under Detectron2's module path."""

from __future__ import annotations

from detectory.evaluation import LVISEvaluator

__all__ = ["LVISEvaluator"]
