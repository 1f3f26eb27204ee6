"""The data mapper, built from a config."""

import copy
from typing import Any

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.data import detection_utils
from detectory.compat.detectron2.data import transforms as T
from detectory.data import MetadataCatalog
from detectory.projects.densepose.data import DensePoseDatasetMapper
from detectory.projects.densepose.structures import DensePoseTransformData

__all__ = ["DatasetMapper", "build_augmentation", "load_symmetries"]


def build_augmentation(cfg: CfgNode, is_train: bool) -> list[Any]:
    """Return resizing and random flips as the config describes them.

    Raises:
        ValueError: If the config enables random rotations, which the annotations do not support.
    """
    if is_train and [angle for angle in cfg.INPUT.ROTATION_ANGLES if angle]:
        raise ValueError(
            f"INPUT.ROTATION_ANGLES must be [0], got {list(cfg.INPUT.ROTATION_ANGLES)}. Rotations of annotations, "
            "which are relative to upright boxes, are not supported"
        )
    return detection_utils.build_augmentation(cfg, is_train)


def load_symmetries(dataset_names: Any) -> DensePoseTransformData | None:
    """Return the symmetries of the charts that the metadata of the datasets name; `None` without any."""
    for name in dataset_names:
        path = getattr(MetadataCatalog.get(name), "densepose_transform_src", None)
        if path:
            return DensePoseTransformData.load(path)
    return None


class DatasetMapper(DensePoseDatasetMapper):
    """`DensePoseDatasetMapper` of a config.

    Args:
        cfg: The config.
        is_train: Whether to process annotations.
    """

    def __init__(self, cfg: CfgNode, is_train: bool = True) -> None:
        augmentations = build_augmentation(cfg, is_train)
        can_flip = any(isinstance(augmentation, T.RandomFlip) for augmentation in augmentations)
        is_chart = len(cfg.MODEL.ROI_DENSEPOSE_HEAD.CSE.EMBEDDERS) == 0
        needs_symmetries = is_train and can_flip and is_chart and cfg.MODEL.DENSEPOSE_ON
        by_masks = is_train and cfg.MODEL.DENSEPOSE_ON and cfg.MODEL.ROI_DENSEPOSE_HEAD.COARSE_SEGM_TRAINED_BY_MASKS
        use_masks = cfg.MODEL.MASK_ON or by_masks
        super().__init__(
            is_train,
            augmentations=augmentations,
            image_format=cfg.INPUT.FORMAT,
            symmetries=load_symmetries(cfg.DATASETS.TRAIN) if needs_symmetries else None,
            masks_as_segmentation=by_masks,
            use_instance_mask=use_masks,
            use_keypoint=cfg.MODEL.KEYPOINT_ON,
            instance_mask_format="bitmask" if by_masks else cfg.INPUT.MASK_FORMAT,
        )

    def __call__(self, dataset_dict: Any) -> Any:
        """Map a record; the record is not modified."""
        return super().__call__(copy.deepcopy(dataset_dict))
