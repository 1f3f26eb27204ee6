"""TorchScript files (`.ts`), recorded with `torch.jit.trace`."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from detectory.export.description import Description
from detectory.export.exported_model import RunGraph
from detectory.export.formats.archive import add_description, entry_names, read_description
from detectory.export.formats.format import Format
from detectory.export.formats.settings import ExportSettings
from detectory.export.inference_graph import InferenceGraph


class TorchScript(Format):
    """A traced graph for Python and C++ programs with torch and `detectory.ops`."""

    name = "torchscript"
    title = "TorchScript"
    suffix = ".ts"
    dtypes = ("float32", "float16", "bfloat16")

    def write(self, graph: InferenceGraph, settings: ExportSettings, description: Description, path: Path) -> None:
        """Trace the graph with the first input and save it."""
        inputs = graph.inputs_of(settings.inputs[:1])
        with warnings.catch_warnings(), torch.no_grad():
            # Python values that depend on tensors become constants; the verification finds those that matter.
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            warnings.simplefilter("ignore", FutureWarning)
            traced = torch.jit.freeze(torch.jit.trace(graph.eval(), inputs, check_trace=False))
            torch.jit.save(traced, str(path))
        add_description(path, description)

    def recognizes(self, path: Path) -> bool:
        """Whether the file is an archive with TorchScript code."""
        return any(name.startswith("code/") for name in entry_names(path))

    def load(self, path: Path, device: torch.device) -> tuple[RunGraph, Description]:
        """Load the file on a device."""
        description = read_description(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            module = torch.jit.load(str(path), map_location=device)

        def run_graph(inputs: tuple[Tensor, ...]) -> Sequence[Tensor]:
            with torch.no_grad():
                outputs = module(*(tensor.to(device) for tensor in inputs))
            return [outputs] if isinstance(outputs, Tensor) else outputs

        return run_graph, description
