"""torchvision: conversion of detector weights, and matching Detectory models."""

from .anchors import TorchvisionAnchorGenerator
from .models import from_torchvision, model_of_state_dict, torchvision_config
from .weights import convert_state_dict

__all__ = [
    "TorchvisionAnchorGenerator",
    "convert_state_dict",
    "from_torchvision",
    "model_of_state_dict",
    "torchvision_config",
]
