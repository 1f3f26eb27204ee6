"""Config keys of Panoptic-DeepLab."""

from detectory.compat.detectron2.config import CfgNode
from detectory.projects.deeplab.detectron2.config import add_deeplab_config

__all__ = ["add_panoptic_deeplab_config"]


def add_panoptic_deeplab_config(cfg: CfgNode) -> None:
    """Add the keys of DeepLab and Panoptic-DeepLab to a config in place, with Detectron2's defaults."""
    add_deeplab_config(cfg)
    inputs = cfg.INPUT
    inputs.GAUSSIAN_SIGMA = 10
    inputs.IGNORE_STUFF_IN_OFFSET = True
    inputs.SMALL_INSTANCE_AREA = 4096
    inputs.SMALL_INSTANCE_WEIGHT = 3
    inputs.IGNORE_CROWD_IN_SEMANTIC = False
    cfg.SOLVER.OPTIMIZER = "ADAM"
    cfg.MODEL.SEM_SEG_HEAD.HEAD_CHANNELS = 256
    cfg.MODEL.SEM_SEG_HEAD.LOSS_TOP_K = 0.2
    head = cfg.MODEL.INS_EMBED_HEAD = CfgNode()
    head.NAME = "PanopticDeepLabInsEmbedHead"
    head.IN_FEATURES = ["res2", "res3", "res5"]
    head.PROJECT_FEATURES = ["res2", "res3"]
    head.PROJECT_CHANNELS = [32, 64]
    head.ASPP_CHANNELS = 256
    head.ASPP_DILATIONS = [6, 12, 18]
    head.ASPP_DROPOUT = 0.1
    head.HEAD_CHANNELS = 32
    head.CONVS_DIM = 128
    head.COMMON_STRIDE = 4
    head.NORM = "SyncBN"
    head.CENTER_LOSS_WEIGHT = 200.0
    head.OFFSET_LOSS_WEIGHT = 0.01
    model = cfg.MODEL.PANOPTIC_DEEPLAB = CfgNode()
    model.STUFF_AREA = 2048
    model.CENTER_THRESHOLD = 0.1
    model.NMS_KERNEL = 7
    model.TOP_K_INSTANCE = 200
    model.USE_DEPTHWISE_SEPARABLE_CONV = False
    model.SIZE_DIVISIBILITY = -1
    model.BENCHMARK_NETWORK_SPEED = False
    model.PREDICT_INSTANCES = True
