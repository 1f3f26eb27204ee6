"""The table of published weights and metrics.

URLs and metrics are from Detectron2's model zoo, which does not state hash, size and licence; these are None unless
verified.
"""

import functools
import json
from dataclasses import dataclass, field
from fnmatch import fnmatch

from detectory.core.suggestions import nearest
from detectory.zoo.recipes import recipe_names, weight_tables


@dataclass(frozen=True)
class PublishedModel:
    """Published weights of a recipe.

    Attributes:
        name: Name of the recipe without suffix, e.g. `"COCO-Detection/faster_rcnn_R_50_FPN_1x"`.
        url: URL of the weights.
        published: Published metrics in percent: `box_ap`, `mask_ap`, `keypoint_ap`, `box_ap50`, `pq`,
            `miou` or `proposal_ar`; may be empty.
        schedule: Length of the training, e.g. `"3x"` or `"100 epochs"`.
        seconds_per_iteration: Training time per iteration of 16 images on 8 V100 GPUs.
        seconds_per_training_image: Training time per image, for the long schedules.
        seconds_per_image: Inference time per image.
        training_memory_gb: Training memory per V100 GPU.
        sha256: Hash of the file, if known.
        size: Size of the file in bytes, if known.
        licence: Licence of the weights, if known.
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
    return {row["name"]: PublishedModel(**row) for text in weight_tables() for row in json.loads(text)}


def without_suffix(name: str) -> str:
    """Remove the suffix `.py`, `.yaml` or `.yml` from a name."""
    for suffix in (".py", ".yaml", ".yml"):
        name = name.removesuffix(suffix)
    return name


def published_model(name: str) -> PublishedModel:
    """Return the published weights of a recipe, by name with or without suffix.

    Raises:
        KeyError: If no weights are published under this name; the message lists the nearest names.
    """
    known = published_models()
    stem = without_suffix(name)
    if stem not in known:
        raise KeyError(f"no weights are published for '{name}', {nearest(stem, known)}")
    return known[stem]


def list_models(pattern: str = "*", trained: bool = False) -> dict[str, PublishedModel | None]:
    """Return recipe names, without suffix, with their published weights.

    Args:
        pattern: Shell pattern of the name, e.g. `"COCO-*/mask_rcnn_*"`.
        trained: Whether to return only recipes with published weights.
    """
    known = published_models()
    models = {name: known.get(name) for name in recipe_names() if fnmatch(name, f"{pattern}*")}
    return {name: model for name, model in models.items() if model is not None or not trained}
