"""HTML report of a COCO evaluation: metrics, curves, error types and example images."""

from .coco_evaluation import CocoEvaluation, evaluate_all
from .coco_report import add_coco_report, write_coco_report

__all__ = ["CocoEvaluation", "add_coco_report", "evaluate_all", "write_coco_report"]
