"""What a file must know about its model beside the graph: names, colours, sizes, thresholds."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from detectory.modeling.meta_arch import PanopticFPN

from .inference_graph import InferenceGraph
from .recording import smallest_side

KEY = "detectory.json"
"""Under this name the description stands in a file."""


@dataclass(frozen=True)
class Description:
    """The part of an exported file that makes it a model again.

    Args:
        architecture: The class of the model.
        input_names: Of the graph.
        output_names: Of the graph, see `InferenceGraph`.
        input_format: `"BGR"` or `"RGB"`, the order of the channels.
        shortest_side: Images are resized to this before, pixels.
        longest_side: Unless the longer side would exceed this, pixels.
        smallest_side: Images whose shorter side is below this are refused, pixels.
        panoptic: The thresholds by which a panoptic model joins its results, else empty.
        version: Of this description.
    """

    architecture: str
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    input_format: str
    shortest_side: int
    longest_side: int
    smallest_side: int
    panoptic: dict[str, float]
    version: int = 1

    def to_json(self) -> str:
        """Return the description as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str, path: str) -> Description:
        """Read a description.

        Args:
            text: What `to_json` gave.
            path: Of the file, for the message.

        Raises:
            ValueError: when the text is of a version that this installation does not know.
        """
        entries: dict[str, Any] = json.loads(text)
        if entries.get("version") != 1:
            raise ValueError(f"load: {path} has a description of version {entries.get('version')}, known is 1")
        for name in ("input_names", "output_names"):
            entries[name] = tuple(entries[name])
        return cls(**entries)


def describe(
    model: nn.Module, graph: InferenceGraph, program: torch.export.ExportedProgram, resize: tuple[int, int]
) -> Description:
    """Describe a model whose graph was recorded."""
    names = ("combine_overlap_thresh", "combine_stuff_area_thresh", "combine_instances_score_thresh")
    return Description(
        architecture=type(model).__name__,
        input_names=graph.input_names,
        output_names=graph.output_names,
        input_format=getattr(model, "input_format", None) or "BGR",
        shortest_side=resize[0],
        longest_side=resize[1],
        smallest_side=smallest_side(program),
        panoptic={name: getattr(model, name) for name in names} if isinstance(model, PanopticFPN) else {},
    )
