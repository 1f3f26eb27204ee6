"""Evaluators for boxes, masks, keypoints, panoptic and semantic segmentation."""

from .coco_evaluation import COCOEvaluator, evaluate_coco_results
from .coco_ground_truth import CocoGroundTruth
from .coco_metrics import CocoMetrics, CocoSettings, coco_metrics
from .detections import Detections, instances_to_coco_json
from .evaluator import DatasetEvaluator, DatasetEvaluators
from .inference import inference_context, inference_on_dataset
from .results_check import flatten_results_dict, print_csv_format, verify_results

__all__ = [
    "COCOEvaluator",
    "CocoGroundTruth",
    "CocoMetrics",
    "CocoSettings",
    "DatasetEvaluator",
    "DatasetEvaluators",
    "Detections",
    "coco_metrics",
    "evaluate_coco_results",
    "flatten_results_dict",
    "inference_context",
    "inference_on_dataset",
    "instances_to_coco_json",
    "print_csv_format",
    "verify_results",
]
