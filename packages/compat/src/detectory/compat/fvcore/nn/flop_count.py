"""Multiply-adds under fvcore's module path."""

from detectory.modeling.analysis import FlopCountAnalysis, flop_count

__all__ = ["FlopCountAnalysis", "flop_count"]
