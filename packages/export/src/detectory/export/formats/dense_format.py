"""`DenseFormat`: formats for one-stage detectors up to the boxes and scores of all anchors."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from detectory.export.dense_scores import DenseScores, unsupported_reason
from detectory.export.description import Description
from detectory.export.environments import Environment, save_portable
from detectory.export.exported_model import RunGraph
from detectory.export.formats.format import Format
from detectory.export.formats.settings import ExportSettings
from detectory.export.inference_graph import InferenceGraph
from detectory.export.runtime.candidates import select_detections
from detectory.export.trailer import append_description


class DenseFormat(Format):
    """A flatbuffer that is written in another Python environment; NumPy selects the detections.

    Attributes:
        environment: The environment with the library of the format.
    """

    environment: ClassVar[Environment]

    def unsupported(self, model: nn.Module, settings: ExportSettings) -> str | None:
        """Return a reason for models with regions of interest, and without a fixed size."""
        reason = unsupported_reason(model, self.title, settings.height, settings.batch)
        return reason or super().unsupported(model, settings)

    def write(self, graph: InferenceGraph, settings: ExportSettings, description: Description, path: Path) -> None:
        """Record the model up to the scores and convert the recording."""
        self.environment.python()  # a missing requirement is reported before the recording
        scores, inputs = DenseScores(graph).eval(), graph.inputs_of(settings.inputs[:1])
        with torch.no_grad():
            scores(*inputs)  # sets `levels`; torch.export resets attributes
        with tempfile.TemporaryDirectory() as folder:
            recorded = Path(folder) / "graph.pt"
            save_portable(scores, inputs, recorded)
            self.environment.run("convert.py", self.name, recorded, path)
        append_description(path, replace(description, levels=scores.levels))


def selecting(run: Callable[[np.ndarray], Sequence[np.ndarray]], description: Description) -> RunGraph:
    """Return a function from an image to its detections.

    Args:
        run: Returns the boxes, scores and factors of all anchors of an image.
        description: The description of the file.
    """

    def run_graph(inputs: tuple[Tensor, ...]) -> Sequence[Tensor]:
        boxes, scores, factors = run(inputs[0].detach().cpu().contiguous().numpy())
        settings = description.levels, description.thresholds, description.clip
        selected = select_detections(boxes, scores, factors, *settings)
        return [torch.from_numpy(array) for array in selected]

    return run_graph
