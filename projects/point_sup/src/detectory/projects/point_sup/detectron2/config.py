"""Config keys of PointSup."""

from detectory.compat.detectron2.config import CfgNode

__all__ = ["add_point_sup_config"]


def add_point_sup_config(cfg: CfgNode) -> None:
    """Add the keys of point supervision to a config in place, with Detectron2's defaults."""
    cfg.INPUT.POINT_SUP = False
    cfg.INPUT.SAMPLE_POINTS = 0  # points drawn per object at each step; 0 for all points
