"""Mapper from dataset records to model inputs with annotations of DensePose."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from detectory.data import DatasetMapper
from detectory.data.mapping import annotations_to_instances
from detectory.data.transforms import TransformList
from detectory.projects.densepose.structures import DensePoseDataRelative, DensePoseList, DensePoseTransformData
from detectory.structures import BitMasks, DatasetRecord, Instances

from .datasets import FIELDS


class DensePoseDatasetMapper(DatasetMapper):
    """`DatasetMapper` whose instances have the field `gt_densepose`, a `DensePoseList`.

    Objects without an annotation of DensePose have the entry `None`.

    Args:
        is_train: Whether to process annotations.
        symmetries: Symmetries of the charts; required if an augmentation flips images with charts.
        masks_as_segmentation: Whether objects without `segmentation` get the foreground of `dp_masks` as mask.
        kwargs: Further arguments of `DatasetMapper`.
    """

    def __init__(
        self,
        is_train: bool,
        *,
        symmetries: DensePoseTransformData | None = None,
        masks_as_segmentation: bool = False,
        **kwargs: Any,
    ) -> None:
        if masks_as_segmentation:
            kwargs = {"use_instance_mask": True, "instance_mask_format": "bitmask", **kwargs}
        super().__init__(is_train, **kwargs)
        self.symmetries = symmetries
        self.masks_as_segmentation = masks_as_segmentation

    def _transform_annotations(
        self, dataset_dict: Any, transforms: TransformList, image_shape: tuple[int, int]
    ) -> None:
        annotations = [entry for entry in dataset_dict.get("annotations", []) if not entry.get("iscrowd", 0)]
        datas = [self._densepose(entry, transforms) for entry in annotations]
        plain = [{key: value for key, value in entry.items() if key not in FIELDS} for entry in annotations]
        if self.masks_as_segmentation:
            plain = [
                {**entry, "segmentation": entry.get("segmentation") or self._foreground(original, dataset_dict)}
                for entry, original in zip(plain, annotations, strict=True)
            ]
        record: Any = {**dataset_dict, "annotations": plain}
        transformed = self._transformed_annotations(record, transforms, image_shape)
        instances = self._all_instances(dataset_dict, transformed, image_shape)
        instances.gt_densepose = DensePoseList(datas, instances.gt_boxes, image_shape)
        dataset_dict.pop("annotations", None)
        dataset_dict["instances"] = instances[instances.gt_boxes.nonempty()]

    def _all_instances(
        self, record: DatasetRecord, annotations: Sequence[Any], image_shape: tuple[int, int]
    ) -> Instances:
        """Convert transformed annotations and keep empty objects."""
        try:
            return annotations_to_instances(annotations, image_shape, mask_format=self.instance_mask_format)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{record.get('file_name', 'a record without file_name')}: {error}") from error

    def _densepose(self, annotation: Any, transforms: TransformList) -> DensePoseDataRelative | None:
        if "dp_x" not in annotation:
            return None
        data = DensePoseDataRelative(annotation)
        data.apply_transform(transforms, self.symmetries)
        return data

    @staticmethod
    def _foreground(annotation: Any, record: Any) -> np.ndarray:
        """Return the foreground of `dp_masks` in the image `(H, W)`, uint8; empty without masks."""
        image = np.zeros((record["height"], record["width"]), np.uint8)
        segm = DensePoseDataRelative.extract_segmentation_mask(annotation)
        if segm is None:
            return image
        x, y, width, height = (float(value) for value in annotation["bbox"])
        box = torch.tensor([[-x, -y, record["width"] - x, record["height"] - y]])
        scale = torch.tensor([256 / max(width, 1), 256 / max(height, 1)]).repeat(2)
        mask = BitMasks(segm[None] > 0)
        side = max(image.shape)
        square = box * scale
        # A square region, so that the crop has one cell per pixel.
        square[:, 2] = square[:, 0] + side * scale[0]
        square[:, 3] = square[:, 1] + side * scale[1]
        return mask.crop_and_resize(square, side)[0, : image.shape[0], : image.shape[1]].numpy().astype(np.uint8)
