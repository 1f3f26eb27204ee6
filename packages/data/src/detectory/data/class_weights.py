"""Weights of classes for federated losses."""

from collections.abc import Sequence

import torch

from .catalog import MetadataCatalog
from .consistency import check_metadata_consistency


def get_fed_loss_cls_weights(dataset_names: str | Sequence[str], freq_weight_power: float = 1.0) -> torch.Tensor:
    """Compute a weight for each class from how many training images it appears in.

    Args:
        dataset_names: Datasets with `class_image_count` in their metadata: dicts with `id` and `image_count`.
        freq_weight_power: Exponent on the count.

    Returns:
        `(K,)` float32, in the order of the category ids.

    Source: X. Zhou et al.: Probabilistic two-stage detection, 2021, section 5.
    """
    names = [dataset_names] if isinstance(dataset_names, str) else list(dataset_names)
    check_metadata_consistency("class_image_count", names)
    counts = sorted(MetadataCatalog.get(names[0]).class_image_count, key=lambda entry: entry["id"])
    return torch.tensor([entry["image_count"] for entry in counts], dtype=torch.float32) ** freq_weight_power
