"""Grouped batch sampler under Detectron2's module path."""

from detectory.data.samplers import GroupedBatchSampler

__all__ = ["GroupedBatchSampler"]
