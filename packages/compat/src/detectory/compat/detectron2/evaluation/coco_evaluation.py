"""COCO's evaluation under Detectron2's module path."""

from detectory.evaluation import COCOEvaluator, instances_to_coco_json

__all__ = ["COCOEvaluator", "instances_to_coco_json"]
