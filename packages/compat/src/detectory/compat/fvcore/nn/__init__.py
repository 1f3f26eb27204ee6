"""Losses, initialisation and analysis under fvcore's module path."""

from detectory.compat.fvcore.nn import distributed, jit_analysis, jit_handles, squeeze_excitation
from detectory.compat.fvcore.nn.activation_count import ActivationCountAnalysis, activation_count
from detectory.compat.fvcore.nn.flop_count import FlopCountAnalysis, flop_count
from detectory.compat.fvcore.nn.focal_loss import (
    sigmoid_focal_loss,
    sigmoid_focal_loss_jit,
    sigmoid_focal_loss_star,
    sigmoid_focal_loss_star_jit,
)
from detectory.compat.fvcore.nn.giou_loss import giou_loss
from detectory.compat.fvcore.nn.parameter_count import parameter_count, parameter_count_table
from detectory.compat.fvcore.nn.precise_bn import get_bn_modules, update_bn_stats
from detectory.compat.fvcore.nn.print_model_statistics import flop_count_str, flop_count_table
from detectory.compat.fvcore.nn.smooth_l1_loss import smooth_l1_loss
from detectory.compat.fvcore.nn.weight_init import c2_msra_fill, c2_xavier_fill

__all__ = [
    "ActivationCountAnalysis",
    "FlopCountAnalysis",
    "activation_count",
    "c2_msra_fill",
    "c2_xavier_fill",
    "distributed",
    "flop_count",
    "flop_count_str",
    "flop_count_table",
    "get_bn_modules",
    "giou_loss",
    "jit_analysis",
    "jit_handles",
    "parameter_count",
    "parameter_count_table",
    "sigmoid_focal_loss",
    "sigmoid_focal_loss_jit",
    "sigmoid_focal_loss_star",
    "sigmoid_focal_loss_star_jit",
    "smooth_l1_loss",
    "squeeze_excitation",
    "update_bn_stats",
]
