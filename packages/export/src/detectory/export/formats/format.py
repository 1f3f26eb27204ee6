"""`Format`: the interface of the export formats."""

import abc
import importlib.util
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from detectory.export.description import Description
from detectory.export.exported_model import RunGraph
from detectory.export.formats.settings import ExportSettings
from detectory.export.inference_graph import InferenceGraph


class Format(abc.ABC):
    """An export format: writes, recognizes and loads files.

    Attributes:
        name: Name of the format, as on the command line.
        title: Name of the format in texts.
        suffix: File name suffix.
        modules: Third-party modules that the format imports.
        extra: The extra of `detectory-export` that installs the modules; empty if they are always installed.
        dtypes: Supported values of `ExportSettings.dtype`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    suffix: ClassVar[str]
    modules: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    dtypes: ClassVar[tuple[str, ...]] = ("float32",)

    def unsupported(self, model: nn.Module, settings: ExportSettings) -> str | None:
        """Return why a model cannot be exported with these settings, or None if it can."""
        if settings.dtype not in self.dtypes:
            return f"{self.title} files cannot have dtype {settings.dtype}, only {', '.join(self.dtypes)}"
        if settings.batch == 0:
            return f"{self.title} files need a fixed batch size"
        return None

    def graph_dtype(self, dtype: str) -> str:
        """Return the `dtype` of the `InferenceGraph` that `write` receives for a requested type."""
        return dtype

    @abc.abstractmethod
    def write(self, graph: InferenceGraph, settings: ExportSettings, description: Description, path: Path) -> None:
        """Write the graph and its description.

        Args:
            graph: The model's graph, in the type of `graph_dtype`.
            settings: The arguments of the export.
            description: The description; the format sets `smallest_side` and `digest`.
            path: The file. Additional files are written next to it, with the same stem.
        """

    @abc.abstractmethod
    def recognizes(self, path: Path) -> bool:
        """Whether the content of a file is of this format."""

    @abc.abstractmethod
    def load(self, path: Path, device: torch.device) -> tuple[RunGraph, Description]:
        """Load a file written by `write`.

        Raises:
            ValueError: If the file was not written by this package, or was changed afterwards.
        """

    def require(self) -> None:
        """Check that the modules of the format are installed.

        Raises:
            ImportError: If a module is missing; the message contains the command that installs it.
        """
        missing = [name for name in self.modules if importlib.util.find_spec(name) is None]
        if missing:
            package = f"'detectory-export[{self.extra}]'" if self.extra else "detectory-export"
            raise ImportError(f"{self.title} files need {' and '.join(missing)}: pip install {package}")
