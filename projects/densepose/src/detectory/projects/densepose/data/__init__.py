"""Datasets: registration, categories, checks and the mapper to model inputs."""

from .categories import select_annotations, set_categories
from .checks import annotation_problem
from .datasets import load_densepose_json, register_densepose
from .mapper import DensePoseDatasetMapper

__all__ = [
    "DensePoseDatasetMapper",
    "annotation_problem",
    "load_densepose_json",
    "register_densepose",
    "select_annotations",
    "set_categories",
]
