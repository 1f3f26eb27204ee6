"""AOTInductor packages (`.pt2`)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from detectory.export.description import Description
from detectory.export.exported_model import RunGraph
from detectory.export.formats.archive import add_description, entry_names, read_description
from detectory.export.formats.format import Format
from detectory.export.formats.settings import ExportSettings
from detectory.export.inference_graph import InferenceGraph
from detectory.export.recording import record, smallest_side


class AOTInductor(Format):
    """A library compiled for this processor, for Python and C++ programs with torch and `detectory.ops`."""

    name = "aoti"
    title = "AOTInductor"
    suffix = ".pt2"
    dtypes = ("float32", "float16", "bfloat16")

    def unsupported(self, model: nn.Module, settings: ExportSettings) -> str | None:
        """Return a reason also if no C++ compiler is found."""
        return super().unsupported(model, settings) or _missing_compiler()

    def write(self, graph: InferenceGraph, settings: ExportSettings, description: Description, path: Path) -> None:
        """Record the graph and compile it, which takes minutes."""
        program = record(graph, settings)
        # With the layout optimization, torch 2.15 reads the output of a convolution with an unknown number of regions
        # in the wrong memory layout: masks are wrong.
        options = {"layout_optimization": False}
        torch._inductor.aoti_compile_and_package(program, package_path=str(path), inductor_configs=options)
        add_description(path, replace(description, smallest_side=smallest_side(program)))

    def recognizes(self, path: Path) -> bool:
        """Whether the file is an archive with a compiled library."""
        return any("aotinductor/" in name for name in entry_names(path))

    def load(self, path: Path, device: torch.device) -> tuple[RunGraph, Description]:
        """Load the library. It runs on the CPU, for which it was compiled."""
        description = read_description(path)
        library = torch._inductor.aoti_load_package(str(path))

        def run_graph(inputs: tuple[Tensor, ...]) -> Sequence[Tensor]:
            with torch.no_grad():
                return library(*(tensor.contiguous() for tensor in inputs))

        return run_graph, description


def _missing_compiler() -> str | None:
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return "AOTInductor needs a C++ compiler. Install g++ or clang++, or set the environment variable CXX"
    return None
