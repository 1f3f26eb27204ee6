"""Normalization layers under Detectron2's module path."""

from torch.nn import BatchNorm2d

from detectory.modeling.layers import CycleBatchNormList, FrozenBatchNorm2d, LayerNorm, NaiveSyncBatchNorm, get_norm

__all__ = ["BatchNorm2d", "CycleBatchNormList", "FrozenBatchNorm2d", "LayerNorm", "NaiveSyncBatchNorm", "get_norm"]
