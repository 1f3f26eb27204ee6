"""The export formats by name, and the format of a file."""

from pathlib import Path

from detectory.core.suggestions import nearest
from detectory.export.formats.aot_inductor import AOTInductor
from detectory.export.formats.executorch import ExecuTorch
from detectory.export.formats.format import Format
from detectory.export.formats.litert import LiteRT
from detectory.export.formats.onnx_format import Onnx
from detectory.export.formats.openvino import OpenVINO
from detectory.export.formats.torch_export_format import TorchExport
from detectory.export.formats.torchscript import TorchScript

FORMATS: dict[str, Format] = {
    entry.name: entry
    for entry in (Onnx(), TorchExport(), AOTInductor(), TorchScript(), OpenVINO(), ExecuTorch(), LiteRT())
}
"""The formats by name. If two formats have the same suffix, the first one is the default for this suffix."""


def get_format(name: str | None, path: Path) -> Format:
    """Return a format by name, or the format of a file name to be written.

    Raises:
        ValueError: If the name is unknown, or the suffix of the path does not match.
    """
    if name is not None and name not in FORMATS:
        raise ValueError(f"export: format must be one of {', '.join(FORMATS)}, got {name!r}. {nearest(name, FORMATS)}")
    if name is not None and path.suffix != FORMATS[name].suffix:
        raise ValueError(f"export: path must end in {FORMATS[name].suffix} for format {name}, got {path}")
    if name is not None:
        return FORMATS[name]
    for entry in FORMATS.values():
        if entry.suffix == path.suffix:
            return entry
    suffixes = ", ".join(dict.fromkeys(entry.suffix for entry in FORMATS.values()))
    raise ValueError(f"export: path must end in one of {suffixes}, got {path}")


def detect_format(path: Path) -> Format:
    """Return the format of a file, determined from its content.

    Raises:
        ValueError: If the content is not of a known format.
    """
    for entry in FORMATS.values():
        if entry.recognizes(path):
            return entry
    titles = ", ".join(entry.title for entry in FORMATS.values())
    raise ValueError(f"load: {path} is not an exported model, or truncated. Supported formats: {titles}")
