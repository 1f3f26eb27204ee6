"""Losses of charts and embeddings at annotated points."""

from .chart import DensePoseChartLoss, DensePoseChartWithConfidenceLoss
from .cse import DensePoseCseLoss
from .matched_annotations import PackedAnnotations, pack_annotations
from .point_sampling import PointSampler, point_sampler, resample_to_boxes
from .segmentation import MaskLoss, SegmentationLoss

__all__ = [
    "DensePoseChartLoss",
    "DensePoseChartWithConfidenceLoss",
    "DensePoseCseLoss",
    "MaskLoss",
    "PackedAnnotations",
    "PointSampler",
    "SegmentationLoss",
    "pack_annotations",
    "point_sampler",
    "resample_to_boxes",
]
