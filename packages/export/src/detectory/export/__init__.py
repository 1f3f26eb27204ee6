"""Export of models to ONNX, torch.export and other formats, verified against eager inference."""

from detectory.export.agreement import Agreement, ExportDisagreement, Tolerance
from detectory.export.caffe2 import Caffe2Model, Caffe2Tracer, add_export_config
from detectory.export.exported_model import ExportedModel
from detectory.export.exporting import export
from detectory.export.formats import FORMATS, STABLE_ONNX_OPSET_VERSION, Format
from detectory.export.loading import load
from detectory.export.torchscript import TracingAdapter, dump_torchscript_IR, flatten_to_tuple
from detectory.export.verification import verify

__all__ = [
    "FORMATS",
    "STABLE_ONNX_OPSET_VERSION",
    "Agreement",
    "Caffe2Model",
    "Caffe2Tracer",
    "ExportDisagreement",
    "ExportedModel",
    "Format",
    "Tolerance",
    "TracingAdapter",
    "add_export_config",
    "dump_torchscript_IR",
    "export",
    "flatten_to_tuple",
    "load",
    "verify",
]
