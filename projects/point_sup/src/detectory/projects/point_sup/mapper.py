"""Mapper from dataset records with point annotations to model inputs."""

from collections.abc import Sequence
from typing import Any

from detectory.data.images.reading import check_image_size, read_image
from detectory.data.mapping import filter_empty_instances
from detectory.data.mapping.mapper import image_to_tensor
from detectory.data.transforms import AugInput, Augmentation, AugmentationList, Transform, TransformList

from .annotations import annotations_to_instances, transform_instance_annotations

__all__ = ["PointSupDatasetMapper"]


class PointSupDatasetMapper:
    """Read an image, augment the image, boxes and points, and convert them to tensors.

    Args:
        is_train: Whether to process annotations; in inference they are dropped.
        augmentations: Augmentations or transforms, applied in order.
        image_format: The format of the image, see `detectory.data.images.read_image`.
        sample_points: Number of points drawn per object at each call ("point augmentation"); 0 for all points.

    Raises:
        ValueError: If `sample_points` is negative.

    Source: Cheng, Parkhi and Kirillov, "Pointly-Supervised Instance Segmentation", CVPR 2022, section 4.
    """

    def __init__(
        self,
        is_train: bool,
        *,
        augmentations: Sequence[Augmentation | Transform],
        image_format: str,
        sample_points: int = 0,
    ) -> None:
        if sample_points < 0:
            raise ValueError(f"PointSupDatasetMapper: sample_points must be at least 0, got {sample_points}")
        self.is_train = is_train
        self.augmentations = AugmentationList(augmentations)
        self.image_format = image_format
        self.sample_points = sample_points

    def __call__(self, dataset_dict: Any) -> dict[str, Any]:
        """Map a record; the record is not modified.

        Returns:
            The record with `image`, `(C, H, W)`, and in training `instances` without crowds; see
            `detectory.projects.point_sup.annotations_to_instances`.

        Raises:
            OSError: If the image cannot be read.
            ValueError: If the image or an annotation is invalid; the message contains the file.
        """
        record = dict(dataset_dict)
        image = read_image(record["file_name"], self.image_format)
        check_image_size(record, image)
        aug_input = AugInput(image)
        transforms = self.augmentations(aug_input)
        record["image"] = image_to_tensor(aug_input.image)
        annotations = record.pop("annotations", None)
        if not self.is_train or annotations is None:
            return record
        size = aug_input.image.shape[:2]
        try:
            transformed = [
                self.transform_annotation(dict(annotation), transforms, size)
                for annotation in annotations
                if not annotation.get("iscrowd", 0)
            ]
            instances = annotations_to_instances(transformed, size, self.sample_points)
        except ValueError as error:
            raise ValueError(f"{record['file_name']}: {error}") from error
        record["instances"] = filter_empty_instances(instances)
        return record

    def transform_annotation(
        self, annotation: dict[str, Any], transforms: TransformList, image_size: tuple[int, int]
    ) -> dict[str, Any]:
        """Transform one annotation, in place, and return it; subclasses may override this method."""
        return transform_instance_annotations(annotation, transforms, image_size)
