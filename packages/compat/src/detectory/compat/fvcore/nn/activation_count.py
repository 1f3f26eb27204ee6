"""Activations under fvcore's module path."""

from detectory.modeling.analysis import ActivationCountAnalysis, activation_count

__all__ = ["ActivationCountAnalysis", "activation_count"]
