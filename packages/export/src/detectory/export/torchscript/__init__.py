"""Support for `torch.jit.trace`: flat inputs and outputs, and readable dumps of traced models."""

from detectory.export.torchscript.dump import dump_torchscript_IR
from detectory.export.torchscript.flatten import flatten_to_tuple
from detectory.export.torchscript.onnx_symbolics import register_onnx_symbolics
from detectory.export.torchscript.tracing_adapter import TracingAdapter

__all__ = ["TracingAdapter", "dump_torchscript_IR", "flatten_to_tuple"]

register_onnx_symbolics()
