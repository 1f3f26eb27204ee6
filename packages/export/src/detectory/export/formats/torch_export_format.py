"""torch.export programs (`.pt2`)."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.export.passes import move_to_device_pass

from detectory.export.description import Description
from detectory.export.exported_model import RunGraph
from detectory.export.formats.archive import add_description, entry_names, read_description
from detectory.export.formats.format import Format
from detectory.export.formats.settings import ExportSettings
from detectory.export.inference_graph import InferenceGraph
from detectory.export.recording import record, smallest_side


class TorchExport(Format):
    """A program for torch and `detectory.ops`; the model's code is not needed."""

    name = "torch-export"
    title = "torch.export"
    suffix = ".pt2"
    dtypes = ("float32", "float16", "bfloat16")

    def write(self, graph: InferenceGraph, settings: ExportSettings, description: Description, path: Path) -> None:
        """Record the graph and save the program."""
        program = record(graph, settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # from inside torch
            torch.export.save(program, path)
        add_description(path, replace(description, smallest_side=smallest_side(program)))

    def recognizes(self, path: Path) -> bool:
        """Whether the file is an archive with a serialized program."""
        return any(name.startswith("models/") and name.endswith(".json") for name in entry_names(path))

    def load(self, path: Path, device: torch.device) -> tuple[RunGraph, Description]:
        """Load the program on a device."""
        description = read_description(path)
        exported = torch.export.load(path)
        if device.type != "cpu":
            exported = move_to_device_pass(exported, str(device))
        program = exported.module()

        def run_graph(inputs: tuple[Tensor, ...]) -> Sequence[Tensor]:
            with torch.no_grad():
                return program(*(tensor.to(device) for tensor in inputs))

        return run_graph, description
