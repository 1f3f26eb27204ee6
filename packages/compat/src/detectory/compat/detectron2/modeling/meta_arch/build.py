"""The registry of meta-architectures."""

import torch
from torch import nn

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.utils.registry import Registry

META_ARCH_REGISTRY = Registry("META_ARCH")


def build_model(cfg: CfgNode) -> nn.Module:
    """Build the model named by `MODEL.META_ARCHITECTURE`, with random weights, on `MODEL.DEVICE`."""
    model = META_ARCH_REGISTRY.get(cfg.MODEL.META_ARCHITECTURE)(cfg)
    return model.to(torch.device(cfg.MODEL.DEVICE))
