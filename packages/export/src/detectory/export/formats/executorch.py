"""ExecuTorch programs (`.pte`) for phones and embedded devices."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from detectory.export.dense_scores import DenseScores, unsupported_reason
from detectory.export.description import Description
from detectory.export.exported_model import RunGraph
from detectory.export.formats.format import Format
from detectory.export.formats.settings import ExportSettings
from detectory.export.formats.trailer import append_description, has_identifier, read_description
from detectory.export.inference_graph import InferenceGraph
from detectory.export.runtime.candidates import select_detections


class ExecuTorch(Format):
    """A one-stage detector up to the boxes and scores of all anchors, with kernels of XNNPACK."""

    name = "executorch"
    title = "ExecuTorch"
    suffix = ".pte"
    modules = ("executorch",)
    extra = "executorch"

    def unsupported(self, model: nn.Module, settings: ExportSettings) -> str | None:
        """Return a reason for models with regions of interest, and without a fixed size."""
        reason = unsupported_reason(model, self.title, settings.height, settings.batch)
        return super().unsupported(model, settings) or reason

    def write(self, graph: InferenceGraph, settings: ExportSettings, description: Description, path: Path) -> None:
        """Record the model up to the scores and lower the program to XNNPACK."""
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        scores = DenseScores(graph).eval()
        with torch.no_grad():
            program = torch.export.export(scores, graph.inputs_of(settings.inputs[:1]), strict=False)
            lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch()
        path.write_bytes(lowered.buffer)
        append_description(path, replace(description, levels=scores.levels))

    def recognizes(self, path: Path) -> bool:
        """Whether the file is a flatbuffer of an ExecuTorch program."""
        return has_identifier(path, b"ET12")

    def load(self, path: Path, device: torch.device) -> tuple[RunGraph, Description]:
        """Load the program in ExecuTorch's Python runtime; NumPy selects the detections."""
        from executorch.runtime import Runtime

        content, description = read_description(path)
        # The method points into the program, and the program into the bytes: the function keeps all three.
        program = Runtime.get().load_program(content)
        loaded = program.load_method("forward"), program, content

        def run_graph(inputs: tuple[Tensor, ...]) -> Sequence[Tensor]:
            boxes, scores, factors = (output.numpy() for output in loaded[0].execute([inputs[0].contiguous()]))
            selected = select_detections(
                boxes, scores, factors, description.levels, description.thresholds, description.clip
            )
            return [torch.from_numpy(array) for array in selected]

        return run_graph, description
