"""COCO evaluation of boxes, masks, keypoints, rotated boxes and proposals, and LVIS evaluation."""

from .compute import CocoSettings, coco_metrics
from .evaluator import COCOEvaluator
from .file_evaluation import evaluate_coco_results
from .ground_truth import CocoGroundTruth
from .lvis import LVISEvaluator, evaluate_lvis_results
from .metrics import CocoMetrics
from .rotated import RotatedCOCOEvaluator

__all__ = [
    "COCOEvaluator",
    "CocoGroundTruth",
    "CocoMetrics",
    "CocoSettings",
    "LVISEvaluator",
    "RotatedCOCOEvaluator",
    "coco_metrics",
    "evaluate_coco_results",
    "evaluate_lvis_results",
]
