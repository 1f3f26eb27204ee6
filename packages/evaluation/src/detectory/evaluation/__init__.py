"""Evaluators for boxes, masks, keypoints, panoptic and semantic segmentation."""

from .cityscapes import CityscapesEvaluator, CityscapesInstanceEvaluator, CityscapesSemSegEvaluator
from .coco import (
    COCOEvaluator,
    CocoGroundTruth,
    CocoMetrics,
    CocoSettings,
    LVISEvaluator,
    RotatedCOCOEvaluator,
    coco_metrics,
    evaluate_coco_results,
    evaluate_lvis_results,
)
from .detections import Detections, instances_to_coco_json
from .evaluator import DatasetEvaluator, DatasetEvaluators
from .inference import inference_context, inference_on_dataset
from .loss_evaluator import LossEvaluator
from .panoptic import COCOPanopticEvaluator, panoptic_quality
from .pascal_voc import PascalVOCDetectionEvaluator
from .results_check import flatten_results_dict, print_csv_format, verify_results
from .run_lengths import RunLengths
from .semantic_segmentation import SemSegEvaluator, load_image_into_numpy_array

__all__ = [
    "COCOEvaluator",
    "COCOPanopticEvaluator",
    "CityscapesEvaluator",
    "CityscapesInstanceEvaluator",
    "CityscapesSemSegEvaluator",
    "CocoGroundTruth",
    "CocoMetrics",
    "CocoSettings",
    "DatasetEvaluator",
    "DatasetEvaluators",
    "Detections",
    "LVISEvaluator",
    "LossEvaluator",
    "PascalVOCDetectionEvaluator",
    "RotatedCOCOEvaluator",
    "RunLengths",
    "SemSegEvaluator",
    "coco_metrics",
    "evaluate_coco_results",
    "evaluate_lvis_results",
    "flatten_results_dict",
    "inference_context",
    "inference_on_dataset",
    "instances_to_coco_json",
    "load_image_into_numpy_array",
    "panoptic_quality",
    "print_csv_format",
    "verify_results",
]
