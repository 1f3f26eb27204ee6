"""Metadata stored next to an exported graph: tensor names, channel order, image sizes and thresholds."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from detectory.data.classes import ClassList
from detectory.export.inference_graph import InferenceGraph
from detectory.export.recording import smallest_side
from detectory.modeling.meta_arch import PanopticFPN

KEY = "detectory.json"
"""Metadata key of the description in an exported file."""

VERSION = 1


@dataclass(frozen=True)
class Description:
    """Everything that `ExportedModel` needs besides the graph.

    Args:
        architecture: Class name of the original model.
        input_names: Names of the graph's inputs.
        output_names: Names of the graph's outputs, see `InferenceGraph`.
        input_format: Channel order, `"BGR"` or `"RGB"`.
        shortest_side: Target length of the shorter image side after resizing, pixels.
        longest_side: Upper limit of the longer image side after resizing, pixels.
        smallest_side: Minimum length of the shorter image side that the graph accepts, pixels.
        panoptic: Thresholds for merging semantic and instance predictions; empty unless the model is panoptic.
        classes: Class names and category ids as from `ClassList.state_dict`; empty if unknown.
        version: Version of this schema.
    """

    architecture: str
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    input_format: str
    shortest_side: int
    longest_side: int
    smallest_side: int
    panoptic: dict[str, float]
    classes: dict[str, list[Any]] = field(default_factory=dict)
    version: int = VERSION

    def to_json(self) -> str:
        """Serialise the description as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str, path: str) -> "Description":
        """Parse a description.

        Args:
            text: Output of `to_json`.
            path: Path of the exported file, used in error messages.

        Raises:
            ValueError: If the schema version is not supported by this installation.
        """
        entries: dict[str, Any] = json.loads(text)
        version = entries.get("version")
        if version != VERSION:
            raise ValueError(f"load: {path}: unsupported description version {version}, expected {VERSION}")
        for name in ("input_names", "output_names"):
            entries[name] = tuple(entries[name])
        return cls(**entries)


def describe(
    model: nn.Module,
    graph: InferenceGraph,
    program: torch.export.ExportedProgram,
    resize: tuple[int, int],
    classes: ClassList | None = None,
) -> Description:
    """Return the description of a model and its recorded graph."""
    thresholds = ("combine_overlap_thresh", "combine_stuff_area_thresh", "combine_instances_score_thresh")
    return Description(
        architecture=type(model).__name__,
        input_names=graph.input_names,
        output_names=graph.output_names,
        input_format=getattr(model, "input_format", None) or "BGR",
        shortest_side=resize[0],
        longest_side=resize[1],
        smallest_side=smallest_side(program),
        panoptic={name: getattr(model, name) for name in thresholds} if isinstance(model, PanopticFPN) else {},
        classes={} if classes is None else classes.state_dict(),
    )
