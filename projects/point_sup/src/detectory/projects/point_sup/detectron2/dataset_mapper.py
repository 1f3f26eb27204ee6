"""PointSup's mapper, built from a config."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.data import detection_utils
from detectory.data.transforms import TransformList
from detectory.projects import point_sup as native

from .detection_utils import transform_instance_annotations

__all__ = ["PointSupDatasetMapper"]


class PointSupDatasetMapper(native.PointSupDatasetMapper):
    """`detectory.projects.point_sup.PointSupDatasetMapper` that can also be built from a config."""

    __init__ = configurable(native.PointSupDatasetMapper.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        """Read the arguments from `INPUT`.

        Raises:
            ValueError: If the config enables random crops, which could remove all points of an object.
        """
        if cfg.INPUT.CROP.ENABLED and is_train:
            raise ValueError("PointSupDatasetMapper: INPUT.CROP.ENABLED must be False, got True")
        return {
            "is_train": is_train,
            "augmentations": detection_utils.build_augmentation(cfg, is_train),
            "image_format": cfg.INPUT.FORMAT,
            "sample_points": cfg.INPUT.SAMPLE_POINTS,
        }

    def transform_annotation(
        self, annotation: dict[str, Any], transforms: TransformList, image_size: tuple[int, int]
    ) -> dict[str, Any]:
        """Transform one annotation, in place; boxes of integers are truncated as in Detectron2."""
        return transform_instance_annotations(annotation, transforms, image_size)
