"""A mapper that combines several images of the dataset into one sample."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from detectory.data.images.reading import check_image_size, read_image
from detectory.data.lists import DatasetFromList
from detectory.data.transforms import AugInput, Augmentation, AugmentationList, Transform
from detectory.structures import DatasetRecord, ModelInput

from .mapper import DatasetMapper, image_to_tensor
from .mixes import CopyPaste, Mix, Scene, nonempty_annotations


class MixingMapper(DatasetMapper):
    """A mapper that combines several images of the dataset into one sample.

    The mapper reads and augments the image of the record. Each mix then combines it with random other images, which are
    read and augmented in the same way. Finally `augmentations_after` are applied to the result. The choice of the other
    images depends only on the random generators that the loader seeds per sample. Hence the state of the loader is
    sufficient for an exact resume, with any number of workers.

    Args:
        is_train: Whether to combine images; in inference the mapper is a plain `DatasetMapper`.
        dataset: The records from which other images are drawn, usually those of the loader. Pass the same
            `DatasetFromList` to both, so that they share memory.
        mixes: Combinations, applied in order.
        augmentations_after: Augmentations of the combined image, for example a resize after a mosaic.
        kwargs: Arguments of `DatasetMapper`; `augmentations` are applied to each image before combining.

    Raises:
        ValueError: If `CopyPaste` is used without bitmasks, or proposals are requested.

    Example:
        >>> from detectory.data import DatasetFromList, transforms as T
        >>> from detectory.data import CopyPaste, MixingMapper
        >>> records = DatasetFromList([{"file_name": "a.jpg", "image_id": 1, "annotations": []}])
        >>> mapper = MixingMapper(
        ...     True, dataset=records, mixes=[CopyPaste()], augmentations=[T.LargeScaleJitter((1024, 1024))],
        ...     image_format="BGR", use_instance_mask=True, instance_mask_format="bitmask",
        ... )
    """

    def __init__(
        self,
        is_train: bool,
        *,
        dataset: Sequence[DatasetRecord] | Dataset,
        mixes: Sequence[Mix],
        augmentations_after: Sequence[Augmentation | Transform] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(is_train, **kwargs)
        self.dataset: Any = dataset if isinstance(dataset, Dataset) else DatasetFromList(dataset, copy=False)
        self.mixes = list(mixes)
        self.augmentations_after = AugmentationList(augmentations_after)
        has_bitmasks = self.use_instance_mask and self.instance_mask_format == "bitmask"
        if any(isinstance(mix, CopyPaste) for mix in self.mixes) and not has_bitmasks:
            raise ValueError("MixingMapper: CopyPaste requires use_instance_mask=True, instance_mask_format='bitmask'")
        if self.proposal_topk is not None:
            raise ValueError("MixingMapper: precomputed_proposal_topk must be None, proposals cannot be combined")

    def __call__(self, dataset_dict: DatasetRecord) -> ModelInput:
        """Map a record together with random others; see `DatasetMapper.__call__`."""
        if not self.is_train:
            return super().__call__(dataset_dict)
        scene = self._scene(dataset_dict)
        for mix in self.mixes:
            scene = mix(scene, self._random_scene)
        if self.augmentations_after.augs:
            hflip: Any = self.keypoint_hflip_indices
            scene = scene.augmented(self.augmentations_after, hflip)
        record: Any = {key: value for key, value in dataset_dict.items() if key != "annotations"}
        record["image"] = image_to_tensor(scene.image)
        record["instances"] = self._instances(record, scene.annotations, scene.size)
        return record

    def _random_scene(self) -> Scene:
        return self._scene(self.dataset[int(np.random.randint(len(self.dataset)))])

    def _scene(self, dataset_dict: DatasetRecord) -> Scene:
        """Read and augment an image and its annotations."""
        record = dataset_dict.copy()
        if "sem_seg_file_name" in record:
            raise ValueError(f"MixingMapper: {record['file_name']}: semantic segmentation cannot be combined")
        image = read_image(record["file_name"], format=self.image_format)
        check_image_size(record, image)
        aug_input = AugInput(image)
        transforms = self.augmentations(aug_input)
        annotations = self._transformed_annotations(record, transforms, aug_input.image.shape[:2])
        return Scene(aug_input.image, nonempty_annotations(annotations))
