"""Evaluator interface and loop under Detectron2's module path."""

from detectory.evaluation import DatasetEvaluator, DatasetEvaluators, inference_context, inference_on_dataset

__all__ = ["DatasetEvaluator", "DatasetEvaluators", "inference_context", "inference_on_dataset"]
