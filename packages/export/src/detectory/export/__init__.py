"""Export of models to ONNX, torch.export and other formats, verified against eager inference.

Names are imported at their first use, so that `detectory.export.runtime` works without torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detectory.export.agreement import Agreement, ExportDisagreement, Tolerance
    from detectory.export.caffe2 import Caffe2Model, Caffe2Tracer, add_export_config
    from detectory.export.exported_model import ExportedModel
    from detectory.export.exporting import export
    from detectory.export.formats import FORMATS, STABLE_ONNX_OPSET_VERSION, Format
    from detectory.export.loading import load
    from detectory.export.torchscript import TracingAdapter, dump_torchscript_IR, flatten_to_tuple
    from detectory.export.verification import verify

_MODULES = {
    "agreement": ("Agreement", "ExportDisagreement", "Tolerance"),
    "caffe2": ("Caffe2Model", "Caffe2Tracer", "add_export_config"),
    "exported_model": ("ExportedModel",),
    "exporting": ("export",),
    "formats": ("FORMATS", "STABLE_ONNX_OPSET_VERSION", "Format"),
    "loading": ("load",),
    "torchscript": ("TracingAdapter", "dump_torchscript_IR", "flatten_to_tuple"),
    "verification": ("verify",),
}

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


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
