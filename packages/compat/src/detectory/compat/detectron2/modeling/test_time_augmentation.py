"""Test-time augmentation, from arguments or a config."""

from collections.abc import Callable
from typing import Any

from torch import nn

from detectory import engine as native
from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.data.transforms import HFlipTransform, NoOpTransform

__all__ = ["DatasetMapperTTA", "GeneralizedRCNNWithTTA", "HFlipTransform", "NoOpTransform"]


class DatasetMapperTTA(native.DatasetMapperTTA):
    """`detectory.engine.DatasetMapperTTA`, from arguments or a config."""

    __init__ = configurable(native.DatasetMapperTTA.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Return the arguments that `TEST.AUG` says."""
        settings = cfg.TEST.AUG
        return {"min_sizes": settings.MIN_SIZES, "max_size": settings.MAX_SIZE, "flip": settings.FLIP}


class GeneralizedRCNNWithTTA(native.GeneralizedRCNNWithTTA):
    """`detectory.engine.GeneralizedRCNNWithTTA`, called as Detectron2's.

    Args:
        cfg: The model's config; `TEST.AUG` says the augmentations where there is no mapper.
        model: The model.
        tta_mapper: Makes the inputs of an input.
        batch_size: How many go through the model together.
    """

    def __init__(
        self,
        cfg: CfgNode,
        model: nn.Module,
        tta_mapper: Callable[[dict[str, Any]], list[dict[str, Any]]] | None = None,
        batch_size: int = 3,
    ) -> None:
        super().__init__(model, DatasetMapperTTA(cfg) if tta_mapper is None else tta_mapper, batch_size)
        self.cfg = cfg.clone()
