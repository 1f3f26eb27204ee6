"""Mapper from records of panoptic datasets to the inputs of Panoptic-DeepLab."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from detectory.data.images.reading import check_image_size, read_image
from detectory.data.mapping.mapper import image_to_tensor
from detectory.data.transforms import AugInput, Augmentation, AugmentationList, Transform

from .target_generator import PanopticDeepLabTargetGenerator

__all__ = ["PanopticDeepLabDatasetMapper"]


class PanopticDeepLabDatasetMapper:
    """Read an image and its panoptic label image, augment both, and compute the training targets.

    Args:
        augmentations: Augmentations or transforms, applied in order.
        image_format: The format of the image, see `detectory.data.images.read_image`.
        panoptic_target_generator: Computes the targets.
    """

    def __init__(
        self,
        *,
        augmentations: Sequence[Augmentation | Transform],
        image_format: str,
        panoptic_target_generator: PanopticDeepLabTargetGenerator,
    ) -> None:
        self.augmentations = AugmentationList(augmentations)
        self.image_format = image_format
        self.panoptic_target_generator = panoptic_target_generator

    def __call__(self, dataset_dict: Any) -> dict[str, Any]:
        """Map a record with `pan_seg_file_name` and `segments_info`; the record is not modified.

        Raises:
            ValueError: If the record has no panoptic labels.
        """
        record = dict(dataset_dict)
        missing = [field for field in ("pan_seg_file_name", "segments_info") if field not in record]
        if missing:
            raise ValueError(
                f"{record.get('file_name')}: the record has no '{missing[0]}', which panoptic datasets have"
            )
        image = read_image(record["file_name"], self.image_format)
        check_image_size(record, image)
        labels = read_image(record.pop("pan_seg_file_name"), "RGB")
        aug_input = AugInput(image, sem_seg=labels)
        self.augmentations(aug_input)
        assert aug_input.sem_seg is not None
        ids = aug_input.sem_seg.astype(np.int64) @ np.array([1, 256, 256**2])  # (H, W), COCO's coding of ids as colors
        record["image"] = image_to_tensor(aug_input.image)
        return record | self.panoptic_target_generator(ids, record["segments_info"])
