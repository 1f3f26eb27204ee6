"""Batch normalization in detection heads, with other batches than the regions of one process."""

from .heads import RetinaNetHeadSharedTraining, ShuffledFastRCNNConvFCHead, ShuffledMaskRCNNConvUpsampleHead
from .norms import BatchNormBatchStat
from .shuffling import run_shuffled

__all__ = [
    "BatchNormBatchStat",
    "RetinaNetHeadSharedTraining",
    "ShuffledFastRCNNConvFCHead",
    "ShuffledMaskRCNNConvUpsampleHead",
    "run_shuffled",
]
