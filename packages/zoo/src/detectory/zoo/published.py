"""The table of published weights: where they are and what was measured with them.

The figures and addresses are those that Detectron2's model zoo publishes. Hash, size and licence are not part of that
table; they stay None until somebody vouches for them.
"""

import functools
import json
from dataclasses import dataclass, field
from importlib import resources

from detectory.core.suggestions import nearest


@dataclass(frozen=True)
class PublishedModel:
    """Weights that somebody published.

    Attributes:
        name: The config's name without suffix, e.g. `"COCO-Detection/faster_rcnn_R_50_FPN_1x"`.
        url: Where the weights are.
        published: Measured quality in percent, by `box_ap`, `mask_ap`, `keypoint_ap`, `box_ap50`, `pq` or
            `proposal_ar`; empty where none was published.
        schedule: Length of the training, e.g. `"3x"` or `"100 epochs"`.
        seconds_per_iteration: Training, 16 images on 8 V100.
        seconds_per_training_image: Training, for the long schedules.
        seconds_per_image: Inference.
        training_memory_gb: On each V100.
        sha256: Of the file, if known.
        size: Of the file in bytes, if known.
        licence: If known.
    """

    name: str
    url: str
    published: dict[str, float] = field(default_factory=dict)
    schedule: str | None = None
    seconds_per_iteration: float | None = None
    seconds_per_training_image: float | None = None
    seconds_per_image: float | None = None
    training_memory_gb: float | None = None
    sha256: str | None = None
    size: int | None = None
    licence: str | None = None


@functools.cache
def published_models() -> dict[str, PublishedModel]:
    """Return all published models by name without suffix."""
    text = (resources.files("detectory.zoo") / "weights.json").read_text(encoding="utf-8")
    return {row["name"]: PublishedModel(**row) for row in json.loads(text)}


def without_suffix(name: str) -> str:
    """Return a config's name without `.py`, `.yaml` or `.yml`."""
    for suffix in (".py", ".yaml", ".yml"):
        name = name.removesuffix(suffix)
    return name


def published_model(name: str) -> PublishedModel:
    """Return the published weights of a config's name, with suffix or without.

    Raises:
        KeyError: nobody published weights under this name; the message lists the nearest.
    """
    known = published_models()
    stem = without_suffix(name)
    if stem not in known:
        raise KeyError(f"no weights are published for '{name}', {nearest(stem, known)}")
    return known[stem]
