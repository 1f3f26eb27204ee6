"""The default mapper from dataset records to model inputs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from detectory.data.images.reading import SizeMismatchError, check_image_size, read_image_view
from detectory.data.transforms import AugInput, Augmentation, AugmentationList, Transform, TransformList
from detectory.structures import Annotation, DatasetRecord, Instances, ModelInput

from .annotations import annotations_to_instances, filter_empty_instances
from .proposals import transform_proposals
from .whole_image import transform_all_annotations


class DatasetMapper:
    """Read an image, augment it together with its annotations, and convert both to tensors and `Instances`.

    Args:
        is_train: Whether to process annotations; in inference they are dropped.
        augmentations: Augmentations or transforms, applied in order.
        image_format: The format of the image, see `detectory.data.images.read_image`; None keeps the stored pixels.
        use_instance_mask: Whether to process `segmentation`, if present.
        use_keypoint: Whether to process `keypoints`, if present.
        instance_mask_format: `"polygon"` or `"bitmask"`.
        keypoint_hflip_indices: See `detectory.data.mapping.create_keypoint_hflip_indices`.
        precomputed_proposal_topk: The number of precomputed proposals to keep; None ignores proposals.
        recompute_boxes: Whether to recompute boxes from the masks after augmentation. Boxes are exact then, whereas the
            box around a rotated box is too large.

    Example:
        >>> from detectory.data import DatasetMapper, transforms as T
        >>> mapper = DatasetMapper(is_train=True, augmentations=[T.Resize((480, 640))], image_format="BGR")
    """

    def __init__(
        self,
        is_train: bool,
        *,
        augmentations: Sequence[Augmentation | Transform],
        image_format: str | None,
        use_instance_mask: bool = False,
        use_keypoint: bool = False,
        instance_mask_format: str = "polygon",
        keypoint_hflip_indices: np.ndarray | Sequence[int] | None = None,
        precomputed_proposal_topk: int | None = None,
        recompute_boxes: bool = False,
    ) -> None:
        if recompute_boxes and not use_instance_mask:
            raise ValueError("DatasetMapper: recompute_boxes requires use_instance_mask=True")
        if instance_mask_format not in ("polygon", "bitmask"):
            raise ValueError(
                f"DatasetMapper: instance_mask_format must be 'polygon' or 'bitmask', got {instance_mask_format!r}"
            )
        self.is_train = is_train
        self.augmentations = AugmentationList(augmentations)
        self.image_format = image_format
        self.use_instance_mask = use_instance_mask
        self.use_keypoint = use_keypoint
        self.instance_mask_format = instance_mask_format
        self.keypoint_hflip_indices = keypoint_hflip_indices
        self.proposal_topk = precomputed_proposal_topk
        self.recompute_boxes = recompute_boxes

    def __call__(self, dataset_dict: DatasetRecord) -> ModelInput:
        """Map a record.

        Args:
            dataset_dict: A dataset record; not modified.

        Returns:
            The record with `image`, a tensor of shape (C, H, W) in the stored dtype. In training also `instances` and,
            if the record has a `sem_seg_file_name`, `sem_seg`, int64 of shape (H, W).

        Raises:
            OSError: If a file cannot be read.
            ValueError: If an image or annotation is invalid; the message contains file, image id and field.
        """
        record: Any = dict(dataset_dict)
        image = read_image_view(record["file_name"], format=self.image_format)
        check_image_size(record, image)
        sem_seg = None
        if "sem_seg_file_name" in record:
            name = record.pop("sem_seg_file_name")
            sem_seg = read_image_view(name, "L")[:, :, 0]
            if sem_seg.shape != image.shape[:2]:
                raise SizeMismatchError(
                    f"{name}: the label image must be {image.shape[:2]} (height, width), got {sem_seg.shape}"
                )
        aug_input = AugInput(image, sem_seg=sem_seg)
        transforms = self.augmentations(aug_input)
        image_shape = aug_input.image.shape[:2]
        record["image"] = image_to_tensor(aug_input.image)
        if aug_input.sem_seg is not None:
            record["sem_seg"] = torch.from_numpy(aug_input.sem_seg.astype(np.int64))
        if self.proposal_topk is not None:
            transform_proposals(record, image_shape, transforms, proposal_topk=self.proposal_topk)
        if not self.is_train:
            record.pop("annotations", None)
            record.pop("sem_seg", None)
        elif "annotations" in record:
            self._transform_annotations(record, transforms, image_shape)
        return record

    def _transform_annotations(
        self, dataset_dict: Any, transforms: TransformList, image_shape: tuple[int, int]
    ) -> None:
        """Replace the annotations of a record by transformed `instances`."""
        annotations = self._transformed_annotations(dataset_dict, transforms, image_shape)
        dataset_dict["instances"] = self._instances(dataset_dict, annotations, image_shape)

    def _transformed_annotations(
        self, record: DatasetRecord, transforms: TransformList, image_shape: tuple[int, int]
    ) -> list[Annotation]:
        """Remove the annotations from a record and transform them, without crowds and unused fields."""
        use = {"segmentation": self.use_instance_mask, "keypoints": self.use_keypoint}
        kept: list[Any] = [
            {key: value for key, value in annotation.items() if use.get(key, True)}
            for annotation in record.pop("annotations", [])
            if not annotation.get("iscrowd", 0)
        ]
        try:
            return transform_all_annotations(
                kept, transforms, image_shape, keypoint_hflip_indices=self.keypoint_hflip_indices
            )
        except (ValueError, TypeError) as error:
            raise ValueError(f"{_describe(record)}: {error}") from error

    def _instances(
        self, record: DatasetRecord, annotations: list[Annotation], image_shape: tuple[int, int]
    ) -> Instances:
        """Convert transformed annotations and remove empty objects."""
        try:
            instances = annotations_to_instances(annotations, image_shape, mask_format=self.instance_mask_format)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{_describe(record)}: {error}") from error
        if self.recompute_boxes and instances.has("gt_masks"):
            instances.gt_boxes = instances.gt_masks.get_bounding_boxes()
        return filter_empty_instances(instances)


def image_to_tensor(image: np.ndarray) -> torch.Tensor:
    """Copy an array of shape (H, W) or (H, W, C) with any strides into a tensor of shape (C, H, W)."""
    planes = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    reversed_axes = [axis for axis, stride in enumerate(planes.strides) if stride < 0]
    if not reversed_axes or abs(planes.strides[2]) != planes.itemsize:
        return torch.from_numpy(np.ascontiguousarray(planes))
    # torch reverses rows with vector instructions, whereas NumPy copies pixel by pixel.
    return torch.from_numpy(np.flip(planes, tuple(reversed_axes))).contiguous().flip(reversed_axes)


def _describe(record: DatasetRecord) -> str:
    image_id = f" (image id {record['image_id']!r})" if "image_id" in record else ""
    return f"{record.get('file_name', 'a record without file_name')}{image_id}"
