"""Loaders of training and evaluation batches."""

from .aspect_ratio import AspectRatioGroupedDataset
from .build import (
    build_batch_data_loader,
    build_detection_test_loader,
    build_detection_train_loader,
    trivial_batch_collator,
)
from .train_loader import TrainLoader

__all__ = [
    "AspectRatioGroupedDataset",
    "TrainLoader",
    "build_batch_data_loader",
    "build_detection_test_loader",
    "build_detection_train_loader",
    "trivial_batch_collator",
]
