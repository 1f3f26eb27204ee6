"""Evaluation: geodesic point similarity, and average precision and recall over it."""

from .evaluator import DensePoseEvaluator
from .metrics import ImageSimilarity, average_metrics
from .predictions import detections_of
from .similarity import Detection, geodesic_point_similarity
from .surfaces import ChartSurface, MeshSurfaces

__all__ = [
    "ChartSurface",
    "DensePoseEvaluator",
    "Detection",
    "ImageSimilarity",
    "MeshSurfaces",
    "average_metrics",
    "detections_of",
    "geodesic_point_similarity",
]
