"""From a dataset dict to what a model takes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from detectory.data.images.reading import SizeMismatchError, check_image_size, read_image_view
from detectory.data.transforms import AugInput, Augmentation, AugmentationList, Transform, TransformList
from detectory.structures import Instances

from .annotations import annotations_to_instances, filter_empty_instances
from .proposals import transform_proposals
from .whole_image import transform_all_annotations


class DatasetMapper:
    """Reads an image, augments it together with its annotations, and makes tensors and Instances.

    Args:
        is_train: Whether annotations are processed; at inference they are dropped.
        augmentations: Augmentations or fixed transforms, applied in order.
        image_format: See `detectory.data.images.read_image`; None keeps pixels as they are stored.
        use_instance_mask: Whether `segmentation` is processed where it is there.
        use_keypoint: Whether `keypoints` are processed where they are there.
        instance_mask_format: `"polygon"` or `"bitmask"`.
        keypoint_hflip_indices: See `detectory.data.mapping.create_keypoint_hflip_indices`.
        precomputed_proposal_topk: If given, the record's proposals are processed and this many are kept.
        recompute_boxes: Whether boxes are computed anew from the masks after augmentation.

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
            raise ValueError("DatasetMapper: recompute_boxes needs use_instance_mask")
        if instance_mask_format not in ("polygon", "bitmask"):
            raise ValueError(
                f"DatasetMapper: instance_mask_format must be 'polygon' or 'bitmask', got {instance_mask_format!r}"
            )
        self.is_train = is_train
        self.augmentations = AugmentationList(augmentations)
        self.image_format = image_format
        self.use_instance_mask, self.use_keypoint = use_instance_mask, use_keypoint
        self.instance_mask_format = instance_mask_format
        self.keypoint_hflip_indices = keypoint_hflip_indices
        self.proposal_topk = precomputed_proposal_topk
        self.recompute_boxes = recompute_boxes

    def __call__(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        """Map one record.

        Args:
            dataset_dict: The standard format; it is not changed.

        Returns:
            The record with `image`, a `(C, H, W)` tensor of the stored dtype; for training also `instances` and,
            where the record names a `sem_seg_file_name`, `sem_seg`, an `(H, W)` int64 tensor.

        Raises:
            OSError, ValueError: The image or an annotation is bad; the message names file, id and field.
        """
        record = dict(dataset_dict)
        image = read_image_view(record["file_name"], format=self.image_format)
        check_image_size(record, image)
        sem_seg = None
        if "sem_seg_file_name" in record:
            name = record.pop("sem_seg_file_name")
            sem_seg = read_image_view(name, "L")[:, :, 0]
            if sem_seg.shape != image.shape[:2]:
                raise SizeMismatchError(
                    f"{name}: the labels have the (height, width) {sem_seg.shape}, their image {image.shape[:2]}"
                )
        given = AugInput(image, sem_seg=sem_seg)
        transforms = self.augmentations(given)
        image = given.image
        image_shape = image.shape[:2]
        record["image"] = image_to_tensor(image)
        if given.sem_seg is not None:
            record["sem_seg"] = torch.from_numpy(given.sem_seg.astype(np.int64))
        if self.proposal_topk is not None:
            transform_proposals(record, image_shape, transforms, proposal_topk=self.proposal_topk)
        if not self.is_train:
            record.pop("annotations", None)
            record.pop("sem_seg", None)
        elif "annotations" in record:
            moved = self._moved_annotations(record, transforms, image_shape)
            record["instances"] = self._instances(record, moved, image_shape)
        return record

    def _moved_annotations(
        self, record: dict[str, Any], transforms: TransformList, image_shape: tuple[int, int]
    ) -> list[dict[str, Any]]:
        """Take the annotations out of a record, leave out crowds and what is not used, and transform the others."""
        use = {"segmentation": self.use_instance_mask, "keypoints": self.use_keypoint}
        kept = [
            {key: value for key, value in annotation.items() if use.get(key, True)}
            for annotation in record.pop("annotations", [])
            if not annotation.get("iscrowd", 0)
        ]
        try:
            return transform_all_annotations(
                kept, transforms, image_shape, keypoint_hflip_indices=self.keypoint_hflip_indices
            )
        except (ValueError, TypeError) as error:
            raise ValueError(f"{_place(record)}: {error}") from error

    def _instances(
        self, record: dict[str, Any], moved: list[dict[str, Any]], image_shape: tuple[int, int]
    ) -> Instances:
        """Gather transformed annotations and leave out those without area."""
        try:
            instances = annotations_to_instances(moved, image_shape, mask_format=self.instance_mask_format)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{_place(record)}: {error}") from error
        if self.recompute_boxes and instances.has("gt_masks"):
            instances.gt_boxes = instances.gt_masks.get_bounding_boxes()
        return filter_empty_instances(instances)


def image_to_tensor(image: np.ndarray) -> torch.Tensor:
    """Copy an `(H, W)` or `(H, W, C)` array, views of any stride included, into a `(C, H, W)` tensor."""
    planes = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    reversed_axes = [axis for axis, stride in enumerate(planes.strides) if stride < 0]
    if not reversed_axes or abs(planes.strides[2]) != planes.itemsize:
        return torch.from_numpy(np.ascontiguousarray(planes))
    # torch reverses whole rows with vector instructions, NumPy pixel by pixel.
    return torch.from_numpy(np.flip(planes, tuple(reversed_axes))).contiguous().flip(reversed_axes)


def _place(record: dict[str, Any]) -> str:
    image_id = f" (image id {record['image_id']!r})" if "image_id" in record else ""
    return f"{record.get('file_name', 'a record without file_name')}{image_id}"
