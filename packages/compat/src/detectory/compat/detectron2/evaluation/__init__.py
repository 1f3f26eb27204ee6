"""Evaluators under Detectron2's module path."""

from detectory.compat.detectron2.evaluation.cityscapes_evaluation import (
    CityscapesInstanceEvaluator,
    CityscapesSemSegEvaluator,
)
from detectory.compat.detectron2.evaluation.coco_evaluation import COCOEvaluator
from detectory.compat.detectron2.evaluation.evaluator import (
    DatasetEvaluator,
    DatasetEvaluators,
    inference_context,
    inference_on_dataset,
)
from detectory.compat.detectron2.evaluation.lvis_evaluation import LVISEvaluator
from detectory.compat.detectron2.evaluation.panoptic_evaluation import COCOPanopticEvaluator
from detectory.compat.detectron2.evaluation.pascal_voc_evaluation import PascalVOCDetectionEvaluator
from detectory.compat.detectron2.evaluation.rotated_coco_evaluation import RotatedCOCOEvaluator
from detectory.compat.detectron2.evaluation.sem_seg_evaluation import SemSegEvaluator
from detectory.compat.detectron2.evaluation.testing import print_csv_format, verify_results

__all__ = [
    "COCOEvaluator",
    "COCOPanopticEvaluator",
    "CityscapesInstanceEvaluator",
    "CityscapesSemSegEvaluator",
    "DatasetEvaluator",
    "DatasetEvaluators",
    "LVISEvaluator",
    "PascalVOCDetectionEvaluator",
    "RotatedCOCOEvaluator",
    "SemSegEvaluator",
    "inference_context",
    "inference_on_dataset",
    "print_csv_format",
    "verify_results",
]
