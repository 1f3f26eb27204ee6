"""Test-time augmentation, built from arguments or a config."""

from collections.abc import Callable
from typing import Any

from torch import nn

from detectory import engine as native
from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.modeling.postprocessing import detector_postprocess
from detectory.compat.detectron2.modeling.roi_heads.fast_rcnn import fast_rcnn_inference_single_image
from detectory.data.transforms import HFlipTransform, NoOpTransform
from detectory.engine.inference.test_time_augmentation import AugmentedInput
from detectory.structures.records import ModelInput

__all__ = [
    "DatasetMapperTTA",
    "GeneralizedRCNNWithTTA",
    "HFlipTransform",
    "NoOpTransform",
    "detector_postprocess",
    "fast_rcnn_inference_single_image",
]


class DatasetMapperTTA(native.DatasetMapperTTA):
    """`detectory.engine.DatasetMapperTTA` that can also be built from a config."""

    __init__ = configurable(native.DatasetMapperTTA.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Read the arguments from `TEST.AUG`."""
        settings = cfg.TEST.AUG
        return {"min_sizes": settings.MIN_SIZES, "max_size": settings.MAX_SIZE, "flip": settings.FLIP}


class GeneralizedRCNNWithTTA(native.GeneralizedRCNNWithTTA):
    """A `detectory.engine.GeneralizedRCNNWithTTA` with Detectron2's signature.

    Args:
        cfg: Config of the model; `TEST.AUG` describes the augmentations if `tta_mapper` is not given.
        model: The model.
        tta_mapper: Maps an input to its augmented versions.
        batch_size: Number of augmented images per forward pass.
    """

    def __init__(
        self,
        cfg: CfgNode,
        model: nn.Module,
        tta_mapper: Callable[[ModelInput], list[AugmentedInput]] | None = None,
        batch_size: int = 3,
    ) -> None:
        super().__init__(model, DatasetMapperTTA(cfg) if tta_mapper is None else tta_mapper, batch_size)
        self.cfg = cfg.clone()
