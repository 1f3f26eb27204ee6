"""Export formats: one class per format, and their registry."""

from detectory.export.formats.format import Format
from detectory.export.formats.onnx_format import STABLE_ONNX_OPSET_VERSION
from detectory.export.formats.registry import FORMATS, detect_format, get_format
from detectory.export.formats.settings import ExportSettings

__all__ = ["FORMATS", "STABLE_ONNX_OPSET_VERSION", "ExportSettings", "Format", "detect_format", "get_format"]
