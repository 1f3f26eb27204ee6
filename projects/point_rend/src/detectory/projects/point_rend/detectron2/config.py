"""Config keys of PointRend."""

from detectory.compat.detectron2.config import CfgNode

__all__ = ["add_pointrend_config"]


def add_pointrend_config(cfg: CfgNode) -> None:
    """Add the keys of PointRend's heads to a config in place, with Detectron2's defaults."""
    # A crop is redrawn if one class covers more than this fraction of it.
    cfg.INPUT.CROP.SINGLE_CATEGORY_MAX_AREA = 1.0
    cfg.INPUT.COLOR_AUG_SSD = False
    heads = cfg.MODEL.ROI_MASK_HEAD
    heads.FC_DIM = 1024
    heads.NUM_FC = 2
    heads.OUTPUT_SIDE_RESOLUTION = 7
    heads.IN_FEATURES = ("p2",)  # features of the coarse head
    heads.POINT_HEAD_ON = False
    points = cfg.MODEL.POINT_HEAD = CfgNode()
    points.NAME = "StandardPointHead"
    points.NUM_CLASSES = 80
    points.IN_FEATURES = ("p2",)
    points.TRAIN_NUM_POINTS = 14 * 14
    points.OVERSAMPLE_RATIO = 3
    points.IMPORTANCE_SAMPLE_RATIO = 0.75
    points.SUBDIVISION_STEPS = 5
    points.SUBDIVISION_NUM_POINTS = 28 * 28
    points.FC_DIM = 256
    points.NUM_FC = 3
    points.CLS_AGNOSTIC_MASK = False
    points.COARSE_PRED_EACH_LAYER = True
    points.COARSE_SEM_SEG_HEAD_NAME = "SemSegFPNHead"
    implicit = cfg.MODEL.IMPLICIT_POINTREND = CfgNode()
    implicit.IMAGE_FEATURE_ENABLED = True
    implicit.POS_ENC_ENABLED = True
    implicit.PARAMS_L2_REGULARIZER = 1e-5
