"""Model complexity: parameters, multiply-adds and activations."""

from .activations import ActivationCountAnalysis, activation_count
from .flops import FlopCountAnalysis, flop_count
from .model_table import flop_count_str, flop_count_table
from .parameters import parameter_count, parameter_count_table

__all__ = [
    "ActivationCountAnalysis",
    "FlopCountAnalysis",
    "activation_count",
    "flop_count",
    "flop_count_str",
    "flop_count_table",
    "parameter_count",
    "parameter_count_table",
]
