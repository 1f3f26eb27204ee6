"""Layers of detection models."""

from .aspp import ASPP
from .blocks import CNNBlockBase, DepthwiseSeparableConv2d
from .channels_last_norms import BatchNorm2d, GroupNorm
from .convolution import Conv2d
from .deform_conv import DeformConv, ModulatedDeformConv
from .drop_path import DropPath
from .frozen_batch_norm import FrozenBatchNorm2d
from .losses import ciou_loss, cross_entropy, diou_loss, giou_loss, quality_focal_loss, smooth_l1_loss
from .memory_layout import fast_layout
from .norms import CycleBatchNormList, LayerNorm, NaiveSyncBatchNorm, get_norm
from .region_pooling import ROIAlign, ROIAlignRotated, ROIPool
from .shape_spec import ShapeSpec
from .weight_init import c2_msra_fill, c2_xavier_fill, init_predictor

__all__ = [
    "ASPP",
    "BatchNorm2d",
    "CNNBlockBase",
    "Conv2d",
    "CycleBatchNormList",
    "DeformConv",
    "DepthwiseSeparableConv2d",
    "DropPath",
    "FrozenBatchNorm2d",
    "GroupNorm",
    "LayerNorm",
    "ModulatedDeformConv",
    "NaiveSyncBatchNorm",
    "ROIAlign",
    "ROIAlignRotated",
    "ROIPool",
    "ShapeSpec",
    "c2_msra_fill",
    "c2_xavier_fill",
    "ciou_loss",
    "cross_entropy",
    "diou_loss",
    "fast_layout",
    "get_norm",
    "giou_loss",
    "init_predictor",
    "quality_focal_loss",
    "smooth_l1_loss",
]
