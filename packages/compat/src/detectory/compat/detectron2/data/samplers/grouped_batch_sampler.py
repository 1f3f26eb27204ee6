"""Batches of groups, under Detectron2's module path."""

from __future__ import annotations

from detectory.data.samplers import GroupedBatchSampler

__all__ = ["GroupedBatchSampler"]
