"""The mapper of Detectron2's dataset format, built from arguments or a config."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.data import detection_utils
from detectory.data import DatasetMapper as _DatasetMapper
from detectory.data import transforms as T

__all__ = ["DatasetMapper"]


class DatasetMapper(_DatasetMapper):
    """A `detectory.data.DatasetMapper` that can also be built as `DatasetMapper(cfg, is_train=True)`."""

    __init__ = configurable(_DatasetMapper.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        """Read the arguments from `INPUT`, `MODEL` and `DATASETS`."""
        augmentations = detection_utils.build_augmentation(cfg, is_train)
        described: dict[str, Any] = {
            "is_train": is_train,
            "augmentations": augmentations,
            "image_format": cfg.INPUT.FORMAT,
            "use_instance_mask": cfg.MODEL.MASK_ON,
            "instance_mask_format": cfg.INPUT.MASK_FORMAT,
            "use_keypoint": cfg.MODEL.KEYPOINT_ON,
        }
        if cfg.INPUT.CROP.ENABLED and is_train:
            augmentations.insert(0, T.RandomCrop(cfg.INPUT.CROP.TYPE, cfg.INPUT.CROP.SIZE))
            described["recompute_boxes"] = cfg.MODEL.MASK_ON  # a crop truncates objects, so their boxes shrink
        if cfg.MODEL.KEYPOINT_ON:
            described["keypoint_hflip_indices"] = detection_utils.create_keypoint_hflip_indices(cfg.DATASETS.TRAIN)
        if cfg.MODEL.LOAD_PROPOSALS:
            phase = "TRAIN" if is_train else "TEST"
            described["precomputed_proposal_topk"] = cfg.DATASETS[f"PRECOMPUTED_PROPOSAL_TOPK_{phase}"]
        return described
