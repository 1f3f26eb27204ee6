"""Prediction for images, folders and videos, and test-time augmentation."""

from detectory.engine.inference.predictor import Predictor, instances_of
from detectory.engine.inference.test_time_augmentation import DatasetMapperTTA, GeneralizedRCNNWithTTA
from detectory.engine.inference.trained_classes import trained_classes

__all__ = [
    "DatasetMapperTTA",
    "GeneralizedRCNNWithTTA",
    "Predictor",
    "instances_of",
    "trained_classes",
]
