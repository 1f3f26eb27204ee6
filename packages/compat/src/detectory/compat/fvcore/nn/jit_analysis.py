"""Operator statistics under fvcore's module path."""

from detectory.modeling.analysis.count_analysis import CountAnalysis as JitModelAnalysis

__all__ = ["JitModelAnalysis"]
