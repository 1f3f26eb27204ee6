"""MMDetection: conversion of weights, matching Detectory models, and its legacy layers."""

from .legacy_parts import LegacyAnchorGenerator, LegacyDeltaXYWHBBoxCoder, RoIAlign
from .models import DEFAULT_EDGES, build_model, convert_state_dict, describe_model, find_family, is_version_1
from .python_config import OriginalSettings, read_config, read_settings
from .resnet_fpn import PlainP6P7

__all__ = [
    "DEFAULT_EDGES",
    "LegacyAnchorGenerator",
    "LegacyDeltaXYWHBBoxCoder",
    "OriginalSettings",
    "PlainP6P7",
    "RoIAlign",
    "build_model",
    "convert_state_dict",
    "describe_model",
    "find_family",
    "is_version_1",
    "read_config",
    "read_settings",
]
