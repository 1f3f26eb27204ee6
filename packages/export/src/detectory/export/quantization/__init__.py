"""Quantisation of ONNX models to int8."""

from detectory.export.quantization.deconvolution import replace_deconvolutions
from detectory.export.quantization.layers import Layer, find_layers, measured_tensors, quantized_tensors
from detectory.export.quantization.qdq import is_quantized, quantize
from detectory.export.quantization.ranges import measure_ranges
from detectory.export.quantization.sensitivity import disagreement, measure_costs
from detectory.export.quantization.static import QuantizationReport, quantize_statically

__all__ = [
    "Layer",
    "QuantizationReport",
    "disagreement",
    "find_layers",
    "is_quantized",
    "measure_costs",
    "measure_ranges",
    "measured_tensors",
    "quantize",
    "quantize_statically",
    "quantized_tensors",
    "replace_deconvolutions",
]
