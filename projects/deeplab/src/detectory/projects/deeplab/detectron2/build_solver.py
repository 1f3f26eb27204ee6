"""Learning rate scheduler of DeepLab configs."""

import torch
from torch.optim.lr_scheduler import LRScheduler

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.solver import build_lr_scheduler as build_schedule
from detectory.projects.deeplab.detectron2.lr_scheduler import WarmupPolyLR

__all__ = ["build_lr_scheduler"]


def build_lr_scheduler(cfg: CfgNode, optimizer: torch.optim.Optimizer) -> LRScheduler:
    """Build the schedule named by `SOLVER.LR_SCHEDULER_NAME`: `"WarmupPolyLR"` or one of Detectron2's."""
    settings = cfg.SOLVER
    if settings.LR_SCHEDULER_NAME != "WarmupPolyLR":
        return build_schedule(cfg, optimizer)
    return WarmupPolyLR(
        optimizer,
        settings.MAX_ITER,
        warmup_factor=settings.WARMUP_FACTOR,
        warmup_iters=settings.WARMUP_ITERS,
        warmup_method=settings.WARMUP_METHOD,
        power=settings.POLY_LR_POWER,
        constant_ending=settings.POLY_LR_CONSTANT_ENDING,
    )
