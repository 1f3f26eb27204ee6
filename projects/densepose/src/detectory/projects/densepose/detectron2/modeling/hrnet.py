"""HRNet backbones, built from a config."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.modeling import BACKBONE_REGISTRY
from detectory.projects.densepose.modeling.hrnet import HRNetStage, PoseHigherResolutionNet

__all__ = ["PoseHigherResolutionNet", "build_pose_hrnet_backbone"]


@BACKBONE_REGISTRY.register()
def build_pose_hrnet_backbone(cfg: CfgNode, input_shape: Any = None) -> PoseHigherResolutionNet:
    """Build the HRNet that `MODEL.HRNET` describes.

    Raises:
        ValueError: If a stage has a fusion other than `"SUM"`.
    """
    del input_shape
    settings = cfg.MODEL.HRNET
    stages = []
    for name in ("STAGE2", "STAGE3", "STAGE4"):
        stage = settings[name]
        if stage.FUSE_METHOD != "SUM":
            raise ValueError(f"MODEL.HRNET.{name}.FUSE_METHOD must be 'SUM', got {stage.FUSE_METHOD!r}")
        stages.append(HRNetStage(stage.NUM_CHANNELS, stage.NUM_BLOCKS, stage.NUM_MODULES, stage.BLOCK))
    return PoseHigherResolutionNet(stages, settings.STEM_INPLANES)
