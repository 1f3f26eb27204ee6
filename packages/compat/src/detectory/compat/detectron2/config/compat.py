"""Versions of the config: keys that were renamed, upwards and downwards.

Version 1 renamed `MODEL.RPN_HEAD.NAME`, version 2 a batch of keys. A downgrade only has to bring back the defaults of
the old version, so that an old file can be merged; it does not keep what the old version could not say.
"""

import logging
from typing import ClassVar

from detectory.compat.fvcore.common.config import CfgNode

__all__ = ["ConverterV1", "ConverterV2", "downgrade_config", "guess_version", "upgrade_config"]

logger = logging.getLogger(__name__)


def upgrade_config(cfg: CfgNode, to_version: int | None = None) -> CfgNode:
    """Return a copy of `cfg` in a newer version (the latest by default).

    Raises:
        ValueError: `cfg` is newer than `to_version`, or there is no such version.
    """
    target = len(_CONVERTERS) if to_version is None else to_version
    if not cfg.VERSION <= target <= len(_CONVERTERS):
        raise ValueError(f"upgrade_config: cannot go from version {cfg.VERSION} to {target}")
    upgraded = cfg.clone()
    for version in range(upgraded.VERSION, target):
        _CONVERTERS[version].upgrade(upgraded)
        upgraded.VERSION = version + 1
    return upgraded


def downgrade_config(cfg: CfgNode, to_version: int) -> CfgNode:
    """Return a copy of `cfg` in an older version.

    Raises:
        ValueError: `cfg` is older than `to_version`, or there is no such version.
    """
    if not 0 <= to_version <= cfg.VERSION:
        raise ValueError(f"downgrade_config: cannot go from version {cfg.VERSION} to {to_version}")
    downgraded = cfg.clone()
    for version in range(downgraded.VERSION, to_version, -1):
        _CONVERTERS[version - 1].downgrade(downgraded)
        downgraded.VERSION = version - 1
    return downgraded


def guess_version(cfg: CfgNode, filename: str) -> int:
    """Guess the version of a partial config that does not say it: 1 where keys of that version stand, else the latest.

    Args:
        cfg: What the file holds.
        filename: For the message that tells the guess.
    """
    if _has(cfg, "MODEL.WEIGHT") or _has(cfg, "TEST.AUG_ON"):
        logger.warning("%s has no VERSION, taken for version 1 by its keys", filename)
        return 1
    latest = len(_CONVERTERS)
    logger.warning("%s has no VERSION, taken for the latest, %d", filename, latest)
    return latest


class _Converter:
    """One step between versions: pairs of old and new key."""

    RENAME: ClassVar[list[tuple[str, str]]] = []

    @classmethod
    def upgrade(cls, cfg: CfgNode) -> None:
        """Change `cfg` in place to the newer version."""
        for old, new in cls.RENAME:
            _rename(cfg, old, new)

    @classmethod
    def downgrade(cls, cfg: CfgNode) -> None:
        """Change `cfg` in place to the older version."""
        for old, new in reversed(cls.RENAME):
            _rename(cfg, new, old)


class ConverterV1(_Converter):
    """Between version 0 and 1."""

    RENAME: ClassVar[list[tuple[str, str]]] = [("MODEL.RPN_HEAD.NAME", "MODEL.RPN.HEAD_NAME")]


class ConverterV2(_Converter):
    """Between version 1 and 2."""

    RENAME: ClassVar[list[tuple[str, str]]] = [
        ("MODEL.WEIGHT", "MODEL.WEIGHTS"),
        ("MODEL.PANOPTIC_FPN.SEMANTIC_LOSS_SCALE", "MODEL.SEM_SEG_HEAD.LOSS_WEIGHT"),
        ("MODEL.PANOPTIC_FPN.RPN_LOSS_SCALE", "MODEL.RPN.LOSS_WEIGHT"),
        ("MODEL.PANOPTIC_FPN.INSTANCE_LOSS_SCALE", "MODEL.PANOPTIC_FPN.INSTANCE_LOSS_WEIGHT"),
        ("MODEL.PANOPTIC_FPN.COMBINE_ON", "MODEL.PANOPTIC_FPN.COMBINE.ENABLED"),
        ("MODEL.PANOPTIC_FPN.COMBINE_OVERLAP_THRESHOLD", "MODEL.PANOPTIC_FPN.COMBINE.OVERLAP_THRESH"),
        ("MODEL.PANOPTIC_FPN.COMBINE_STUFF_AREA_LIMIT", "MODEL.PANOPTIC_FPN.COMBINE.STUFF_AREA_LIMIT"),
        (
            "MODEL.PANOPTIC_FPN.COMBINE_INSTANCES_CONFIDENCE_THRESHOLD",
            "MODEL.PANOPTIC_FPN.COMBINE.INSTANCES_CONFIDENCE_THRESH",
        ),
        ("MODEL.ROI_HEADS.SCORE_THRESH", "MODEL.ROI_HEADS.SCORE_THRESH_TEST"),
        ("MODEL.ROI_HEADS.NMS", "MODEL.ROI_HEADS.NMS_THRESH_TEST"),
        ("MODEL.RETINANET.INFERENCE_SCORE_THRESHOLD", "MODEL.RETINANET.SCORE_THRESH_TEST"),
        ("MODEL.RETINANET.INFERENCE_TOPK_CANDIDATES", "MODEL.RETINANET.TOPK_CANDIDATES_TEST"),
        ("MODEL.RETINANET.INFERENCE_NMS_THRESHOLD", "MODEL.RETINANET.NMS_THRESH_TEST"),
        ("TEST.DETECTIONS_PER_IMG", "TEST.DETECTIONS_PER_IMAGE"),
        ("TEST.AUG_ON", "TEST.AUG.ENABLED"),
        ("TEST.AUG_MIN_SIZES", "TEST.AUG.MIN_SIZES"),
        ("TEST.AUG_MAX_SIZE", "TEST.AUG.MAX_SIZE"),
        ("TEST.AUG_FLIP", "TEST.AUG.FLIP"),
    ]

    @classmethod
    def upgrade(cls, cfg: CfgNode) -> None:
        """Rename, and move the anchors of the model's own section to `MODEL.ANCHOR_GENERATOR`."""
        super().upgrade(cfg)
        section, other = ("RETINANET", "RPN") if cfg.MODEL.META_ARCHITECTURE == "RetinaNet" else ("RPN", "RETINANET")
        for key in ("ASPECT_RATIOS", "SIZES"):
            _rename(cfg, f"MODEL.{section}.ANCHOR_{key}", f"MODEL.ANCHOR_GENERATOR.{key}")
            cfg.MODEL[other].pop(f"ANCHOR_{key}", None)
        cfg.MODEL.RETINANET.pop("ANCHOR_STRIDES", None)

    @classmethod
    def downgrade(cls, cfg: CfgNode) -> None:
        """Rename back, and give both RPN and RetinaNet the anchors."""
        super().downgrade(cfg)
        for key in ("ASPECT_RATIOS", "SIZES"):
            _rename(cfg, f"MODEL.ANCHOR_GENERATOR.{key}", f"MODEL.RPN.ANCHOR_{key}")
            cfg.MODEL.RETINANET[f"ANCHOR_{key}"] = cfg.MODEL.RPN[f"ANCHOR_{key}"]
        cfg.MODEL.RETINANET["ANCHOR_STRIDES"] = []


_CONVERTERS: list[type[_Converter]] = [ConverterV1, ConverterV2]


def _has(cfg: CfgNode, full_key: str) -> bool:
    node = cfg
    for part in full_key.split("."):
        if not isinstance(node, CfgNode) or part not in node:
            return False
        node = node[part]
    return True


def _rename(cfg: CfgNode, old: str, new: str) -> None:
    """Move a value, if there; sections that it leaves empty go, sections that it needs come."""
    if not _has(cfg, old):
        return
    *old_parents, old_last = old.split(".")
    trail = [cfg]
    for part in old_parents:
        trail.append(trail[-1][part])
    value = trail[-1].pop(old_last)
    for node, part in zip(reversed(trail[:-1]), reversed(old_parents), strict=True):
        if not node[part]:
            del node[part]
    *new_parents, new_last = new.split(".")
    node = cfg
    for part in new_parents:
        if part not in node:
            node[part] = type(cfg)()
        node = node[part]
    node[new_last] = value
