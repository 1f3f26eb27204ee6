"""HRNet with a feature pyramid, built from a config."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.modeling import BACKBONE_REGISTRY
from detectory.projects.densepose.modeling.hrfpn import HRFPN

from .hrnet import build_pose_hrnet_backbone

__all__ = ["HRFPN", "build_hrfpn_backbone"]


@BACKBONE_REGISTRY.register()
def build_hrfpn_backbone(cfg: CfgNode, input_shape: Any = None) -> HRFPN:
    """Build the HRNet that `MODEL.HRNET` describes with one pyramid level per input of the ROI heads."""
    bottom_up = build_pose_hrnet_backbone(cfg, input_shape)
    levels = len(cfg.MODEL.ROI_HEADS.IN_FEATURES)
    return HRFPN(bottom_up, n_out_features=levels, out_channels=cfg.MODEL.HRNET.HRFPN.OUT_CHANNELS)
