"""File formats: ONNX (`.onnx`) and torch.export programs (`.pt2`)."""

from detectory.export.formats.onnx_export import STABLE_ONNX_OPSET_VERSION, export_onnx
from detectory.export.formats.torch_export import export_torch

__all__ = ["STABLE_ONNX_OPSET_VERSION", "export_onnx", "export_torch"]
