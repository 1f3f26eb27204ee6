"""`Description`: the metadata stored in an exported file, without any import of torch."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

KEY = "detectory.json"
"""Metadata key or file name of the description in an exported file."""

VERSION = 2

UNSEALED = "unsealed".ljust(64, "-")
"""Value of `Description.digest` until the file is complete; as long as a hexadecimal SHA-256."""


@dataclass(frozen=True)
class Description:
    """Everything that is needed to run an exported graph on images, except the graph.

    Args:
        architecture: Class name of the original model.
        input_names: Names of the graph's inputs.
        output_names: Names of the graph's outputs, see `InferenceGraph`.
        input_format: Channel order, `"BGR"` or `"RGB"`.
        pixel_mean: Mean of each channel, in the channel order. The graph subtracts it; padding has this value.
        pixel_std: Standard deviation of each channel. The graph divides by it.
        shortest_side: Target length of the shorter image side after resizing, pixels.
        longest_side: Upper limit of the longer image side after resizing, pixels.
        smallest_side: Minimum length of the shorter image side that the graph accepts, pixels.
        height: Height of the graph's input, pixels; 0 if it accepts any height. Smaller images are padded at the
            bottom.
        width: Width of the graph's input, pixels; 0 if it accepts any width. Smaller images are padded on the right.
        batch: Number of images per call. 1: the input has shape (C, H, W); larger: (B, C, H, W); 0: (B, C, H, W) with
            any B.
        dtype: Type of the weights and features: `"float32"`, `"float16"`, `"bfloat16"` or `"int8"`.
        thresholds: Score and NMS thresholds and the maximum number of detections, which are part of the graph.
        levels: Number of anchors of each level, if the graph ends with the candidates of all anchors, see
            `detectory.export.runtime.candidates`; otherwise empty.
        clip_before_nms: Whether boxes are clipped to the input before the NMS, if the graph ends with the candidates.
        panoptic: Thresholds for merging semantic and instance predictions; empty unless the model is panoptic.
        classes: Class names and category ids as from `ClassList.state_dict`; empty if unknown.
        quantization: For int8 the cost of each part of the model, the parts that stay float32, and the measured AP, see
            `QuantizationReport`.
        digest: SHA-256 of the file, see `detectory.export.digest`.
        version: Version of this schema.
    """

    architecture: str
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    input_format: str
    pixel_mean: tuple[float, ...]
    pixel_std: tuple[float, ...]
    shortest_side: int
    longest_side: int
    smallest_side: int = 1
    height: int = 0
    width: int = 0
    batch: int = 1
    dtype: str = "float32"
    thresholds: dict[str, float] = field(default_factory=dict)
    levels: tuple[int, ...] = ()
    clip_before_nms: bool = False
    panoptic: dict[str, float] = field(default_factory=dict)
    classes: dict[str, list[Any]] = field(default_factory=dict)
    quantization: dict[str, Any] = field(default_factory=dict)
    digest: str = UNSEALED
    version: int = VERSION

    @property
    def clip(self) -> tuple[int, int] | None:
        """Height and width to clip boxes to before the NMS, or None."""
        return (self.height, self.width) if self.clip_before_nms else None

    def to_json(self) -> str:
        """Serialise the description as JSON in ASCII."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str, path: str) -> "Description":
        """Parse a description.

        Args:
            text: Output of `to_json`.
            path: Path of the exported file, used in error messages.

        Raises:
            ValueError: If the text is not a description, or its version is not supported by this installation.
        """
        try:
            entries: dict[str, Any] = json.loads(text)
            version = entries.get("version")
        except (ValueError, AttributeError) as error:
            raise ValueError(f"load: {path}: the description {KEY} is damaged") from error
        if version != VERSION:
            raise ValueError(
                f"load: {path}: unsupported description version {version}, expected {VERSION}. Export the model again"
            )
        for name in ("input_names", "output_names", "pixel_mean", "pixel_std", "levels"):
            entries[name] = tuple(entries.get(name, ()))
        try:
            return cls(**entries)
        except TypeError as error:  # a missing field, or one that this version does not have
            raise ValueError(
                f"load: {path}: the fields of the description {KEY} are not supported by this installation. "
                "Export the model again"
            ) from error
