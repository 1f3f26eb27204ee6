"""Panoptic-DeepLab's mapper, built from a config."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.data import MetadataCatalog
from detectory.compat.detectron2.data import transforms as T
from detectory.projects.deeplab import panoptic as native

__all__ = ["PanopticDeeplabDatasetMapper"]


class PanopticDeeplabDatasetMapper(native.PanopticDeepLabDatasetMapper):
    """`detectory.projects.deeplab.panoptic.PanopticDeepLabDatasetMapper` that can also be built from a config."""

    __init__ = configurable(native.PanopticDeepLabDatasetMapper.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Read the arguments from `INPUT`; the metadata of the first training dataset has the classes."""
        inputs = cfg.INPUT
        sizes = inputs.MIN_SIZE_TRAIN, inputs.MAX_SIZE_TRAIN, inputs.MIN_SIZE_TRAIN_SAMPLING
        augmentations: list[Any] = [T.ResizeShortestEdge(*sizes)]
        if inputs.CROP.ENABLED:
            augmentations.append(T.RandomCrop(inputs.CROP.TYPE, inputs.CROP.SIZE))
        augmentations.append(T.RandomFlip())
        metadata = MetadataCatalog.get(cfg.DATASETS.TRAIN[0])
        generator = native.PanopticDeepLabTargetGenerator(
            ignore_label=metadata.ignore_label,
            thing_ids=list(metadata.thing_dataset_id_to_contiguous_id.values()),
            sigma=inputs.GAUSSIAN_SIGMA,
            ignore_stuff_in_offset=inputs.IGNORE_STUFF_IN_OFFSET,
            small_instance_area=inputs.SMALL_INSTANCE_AREA,
            small_instance_weight=inputs.SMALL_INSTANCE_WEIGHT,
            ignore_crowd_in_semantic=inputs.IGNORE_CROWD_IN_SEMANTIC,
        )
        return {
            "augmentations": augmentations,
            "image_format": inputs.FORMAT,
            "panoptic_target_generator": generator,
        }
