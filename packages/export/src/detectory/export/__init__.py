"""Exports models to ONNX, torch.export and friends, and verifies the result against eager."""

from __future__ import annotations

from .caffe2 import Caffe2Model, Caffe2Tracer, add_export_config
from .exported_model import ExportedModel
from .flatten import flatten_to_tuple
from .loading import load
from .onnx_export import STABLE_ONNX_OPSET_VERSION, export_onnx
from .torch_export import export_torch
from .torchscript import dump_torchscript_IR
from .tracing_adapter import TracingAdapter
from .verification import Agreement, ExportDisagreement, Tolerance, verify

__all__ = [
    "STABLE_ONNX_OPSET_VERSION",
    "Agreement",
    "Caffe2Model",
    "Caffe2Tracer",
    "ExportDisagreement",
    "ExportedModel",
    "Tolerance",
    "TracingAdapter",
    "add_export_config",
    "dump_torchscript_IR",
    "export_onnx",
    "export_torch",
    "flatten_to_tuple",
    "load",
    "verify",
]
