"""Export under Detectron2's module path; the native export is `detectory.export`."""

from detectory.compat.detectron2.export.flatten import TracingAdapter
from detectory.compat.detectron2.export.torchscript import scripting_with_instances
from detectory.export import (
    STABLE_ONNX_OPSET_VERSION,
    Caffe2Model,
    Caffe2Tracer,
    add_export_config,
    dump_torchscript_IR,
)

__all__ = [
    "STABLE_ONNX_OPSET_VERSION",
    "Caffe2Model",
    "Caffe2Tracer",
    "TracingAdapter",
    "add_export_config",
    "dump_torchscript_IR",
    "scripting_with_instances",
]
