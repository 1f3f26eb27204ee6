"""Datasets, mappers and meshes."""

from detectory.projects.densepose.structures import DensePoseDataRelative, DensePoseList, DensePoseTransformData

from . import datasets
from .build import build_detection_test_loader, build_detection_train_loader
from .dataset_mapper import DatasetMapper

__all__ = [
    "DatasetMapper",
    "DensePoseDataRelative",
    "DensePoseList",
    "DensePoseTransformData",
    "build_detection_test_loader",
    "build_detection_train_loader",
    "datasets",
]
