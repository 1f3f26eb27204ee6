"""Config keys of DeepLab."""

from detectory.compat.detectron2.config import CfgNode

__all__ = ["add_deeplab_config"]


def add_deeplab_config(cfg: CfgNode) -> None:
    """Add the keys of DeepLab's heads, backbone and schedule to a config in place, with Detectron2's defaults."""
    # A crop is redrawn if one class covers more than this fraction of it.
    cfg.INPUT.CROP.SINGLE_CATEGORY_MAX_AREA = 1.0
    cfg.SOLVER.POLY_LR_POWER = 0.9
    cfg.SOLVER.POLY_LR_CONSTANT_ENDING = 0.0
    head = cfg.MODEL.SEM_SEG_HEAD
    head.LOSS_TYPE = "hard_pixel_mining"
    head.PROJECT_FEATURES = ["res2"]
    head.PROJECT_CHANNELS = [48]
    head.ASPP_CHANNELS = 256
    head.ASPP_DILATIONS = [6, 12, 18]
    head.ASPP_DROPOUT = 0.1
    head.USE_DEPTHWISE_SEPARABLE_CONV = False
    resnet = cfg.MODEL.RESNETS
    resnet.RES4_DILATION = 1
    resnet.RES5_MULTI_GRID = [1, 2, 4]
    resnet.STEM_TYPE = "deeplab"
