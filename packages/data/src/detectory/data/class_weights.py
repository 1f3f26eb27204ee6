"""Class weights for federated losses."""

from collections.abc import Sequence

import torch

from .catalog import MetadataCatalog
from .consistency import check_metadata_consistency


def get_fed_loss_cls_weights(dataset_names: str | Sequence[str], freq_weight_power: float = 1.0) -> torch.Tensor:
    """Return the weight of each class, a power of the number of training images that contain it.

    Args:
        dataset_names: Datasets with `class_image_count` in their metadata, dicts with `id` and `image_count`.
        freq_weight_power: The exponent.

    Returns:
        Float32, shape (K,), in the order of the category ids.

    Source: Zhou et al. 2021, "Probabilistic two-stage detection", section 5.
    """
    names = [dataset_names] if isinstance(dataset_names, str) else list(dataset_names)
    check_metadata_consistency("class_image_count", names)
    counts = sorted(MetadataCatalog.get(names[0]).class_image_count, key=lambda entry: entry["id"])
    return torch.tensor([entry["image_count"] for entry in counts], dtype=torch.float32) ** freq_weight_power
