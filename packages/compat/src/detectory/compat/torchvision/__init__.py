"""torchvision: conversion of detectors in both directions, and the parts in which they differ from ours."""

from .anchors import TorchvisionAnchorGenerator
from .leaving import TorchvisionCheckpoint, to_torchvision
from .models import from_torchvision, resize_config, torchvision_config
from .recognition import MARKERS, builder_name, model_of_state_dict
from .resize import TorchvisionResize
from .weights import convert_state_dict, revert_state_dict

__all__ = [
    "MARKERS",
    "TorchvisionAnchorGenerator",
    "TorchvisionCheckpoint",
    "TorchvisionResize",
    "builder_name",
    "convert_state_dict",
    "from_torchvision",
    "model_of_state_dict",
    "resize_config",
    "revert_state_dict",
    "to_torchvision",
    "torchvision_config",
]
