"""Registries of heads, predictors and losses."""

from typing import Any

from torch import nn

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.utils.registry import Registry

ROI_DENSEPOSE_HEAD_REGISTRY = Registry("ROI_DENSEPOSE_HEAD")
DENSEPOSE_PREDICTOR_REGISTRY = Registry("DENSEPOSE_PREDICTOR")
DENSEPOSE_LOSS_REGISTRY = Registry("DENSEPOSE_LOSS")


def build_densepose_head(cfg: CfgNode, input_channels: int) -> nn.Module:
    """Build the head named by `MODEL.ROI_DENSEPOSE_HEAD.NAME` for features with `input_channels` channels."""
    return ROI_DENSEPOSE_HEAD_REGISTRY.get(cfg.MODEL.ROI_DENSEPOSE_HEAD.NAME)(cfg, input_channels)


def build_densepose_predictor(cfg: CfgNode, input_channels: int) -> nn.Module:
    """Build the predictor named by `MODEL.ROI_DENSEPOSE_HEAD.PREDICTOR_NAME` for head features."""
    return DENSEPOSE_PREDICTOR_REGISTRY.get(cfg.MODEL.ROI_DENSEPOSE_HEAD.PREDICTOR_NAME)(cfg, input_channels)


def build_densepose_losses(cfg: CfgNode) -> Any:
    """Build the losses named by `MODEL.ROI_DENSEPOSE_HEAD.LOSS_NAME`."""
    return DENSEPOSE_LOSS_REGISTRY.get(cfg.MODEL.ROI_DENSEPOSE_HEAD.LOSS_NAME)(cfg)
