"""Conversion between config versions.

Version 1 renamed `MODEL.RPN_HEAD.NAME`; version 2 renamed a batch of keys. A downgrade only restores the defaults of
the old version so that an old file can be merged; settings that the old version cannot express are lost.
"""

import logging
from typing import ClassVar

from detectory.compat.fvcore.common.config import CfgNode

__all__ = ["ConverterV1", "ConverterV2", "downgrade_config", "guess_version", "upgrade_config"]

_logger = logging.getLogger(__name__)


def upgrade_config(cfg: CfgNode, to_version: int | None = None) -> CfgNode:
    """Return a copy of `cfg` converted to a newer version, by default the latest.

    Raises:
        ValueError: If `cfg` is newer than `to_version`, or `to_version` does not exist.
    """
    target = LATEST_VERSION if to_version is None else to_version
    if not cfg.VERSION <= target <= LATEST_VERSION:
        raise ValueError(f"upgrade_config: cannot convert version {cfg.VERSION} to {target}")
    upgraded = cfg.clone()
    for version in range(upgraded.VERSION, target):
        _CONVERTERS[version].upgrade(upgraded)
        upgraded.VERSION = version + 1
    return upgraded


def downgrade_config(cfg: CfgNode, to_version: int) -> CfgNode:
    """Return a copy of `cfg` converted to an older version.

    Raises:
        ValueError: If `cfg` is older than `to_version`, or `to_version` does not exist.
    """
    if not 0 <= to_version <= cfg.VERSION:
        raise ValueError(f"downgrade_config: cannot convert version {cfg.VERSION} to {to_version}")
    downgraded = cfg.clone()
    for version in range(downgraded.VERSION, to_version, -1):
        _CONVERTERS[version - 1].downgrade(downgraded)
        downgraded.VERSION = version - 1
    return downgraded


def guess_version(cfg: CfgNode, filename: str) -> int:
    """Guess the version of a partial config without `VERSION`: 1 if it contains keys of version 1, else the latest.

    Args:
        cfg: Content of the file.
        filename: File name for the log message.
    """
    if _has(cfg, "MODEL.WEIGHT") or _has(cfg, "TEST.AUG_ON"):
        _logger.warning("%s: VERSION is missing, assuming version 1 because of its keys", filename)
        return 1
    _logger.warning("%s: VERSION is missing, assuming the latest, %d", filename, LATEST_VERSION)
    return LATEST_VERSION


class _RenameConverter:
    """A step between two versions: pairs of old and new key."""

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


class ConverterV1(_RenameConverter):
    """Conversion between versions 0 and 1."""

    RENAME: ClassVar[list[tuple[str, str]]] = [("MODEL.RPN_HEAD.NAME", "MODEL.RPN.HEAD_NAME")]


class ConverterV2(_RenameConverter):
    """Conversion between versions 1 and 2."""

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
        """Rename keys, and move the anchors of the model's own section to `MODEL.ANCHOR_GENERATOR`."""
        super().upgrade(cfg)
        section, other = ("RETINANET", "RPN") if cfg.MODEL.META_ARCHITECTURE == "RetinaNet" else ("RPN", "RETINANET")
        for key in ("ASPECT_RATIOS", "SIZES"):
            _rename(cfg, f"MODEL.{section}.ANCHOR_{key}", f"MODEL.ANCHOR_GENERATOR.{key}")
            cfg.MODEL[other].pop(f"ANCHOR_{key}", None)
        cfg.MODEL.RETINANET.pop("ANCHOR_STRIDES", None)

    @classmethod
    def downgrade(cls, cfg: CfgNode) -> None:
        """Rename keys back, and copy the anchors to both RPN and RetinaNet."""
        super().downgrade(cfg)
        for key in ("ASPECT_RATIOS", "SIZES"):
            _rename(cfg, f"MODEL.ANCHOR_GENERATOR.{key}", f"MODEL.RPN.ANCHOR_{key}")
            cfg.MODEL.RETINANET[f"ANCHOR_{key}"] = cfg.MODEL.RPN[f"ANCHOR_{key}"]
        cfg.MODEL.RETINANET["ANCHOR_STRIDES"] = []


_CONVERTERS: list[type[_RenameConverter]] = [ConverterV1, ConverterV2]

LATEST_VERSION = len(_CONVERTERS)


def _has(cfg: CfgNode, full_key: str) -> bool:
    node = cfg
    for part in full_key.split("."):
        if not isinstance(node, CfgNode) or part not in node:
            return False
        node = node[part]
    return True


def _rename(cfg: CfgNode, old: str, new: str) -> None:
    """Move a value if present, removing sections that become empty and creating missing ones."""
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
