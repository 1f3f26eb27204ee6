"""ExecuTorch programs (`.pte`) for phones and embedded devices."""

import tempfile
from pathlib import Path

import torch

from detectory.export.description import Description
from detectory.export.environments import EXECUTORCH, Worker
from detectory.export.exported_model import RunGraph
from detectory.export.formats.dense_format import DenseFormat, selecting
from detectory.export.trailer import has_identifier, read_description


class ExecuTorch(DenseFormat):
    """A one-stage detector up to the boxes and scores of all anchors, with kernels of XNNPACK."""

    name = "executorch"
    title = "ExecuTorch"
    suffix = ".pte"
    environment = EXECUTORCH

    def recognizes(self, path: Path) -> bool:
        """Whether the file is a flatbuffer of an ExecuTorch program."""
        return has_identifier(path, b"ET12")

    def load(self, path: Path, device: torch.device) -> tuple[RunGraph, Description]:
        """Load the program in a process with ExecuTorch's Python runtime."""
        content, description = read_description(path)
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "model.pte"
            program.write_bytes(content)
            worker = Worker(self.environment.command("run_executorch.py", program), f"load: {path}")
        return selecting(worker, description), description
