"""MMDetection: conversion of weights, matching Detectory models, and its legacy layers."""

from .legacy_parts import LegacyAnchorGenerator, LegacyDeltaXYWHBBoxCoder, RoIAlign
from .models import build_model, convert_state_dict, describe_model, find_family, is_version_1
from .resnet_fpn import PlainP6P7

__all__ = [
    "LegacyAnchorGenerator",
    "LegacyDeltaXYWHBBoxCoder",
    "PlainP6P7",
    "RoIAlign",
    "build_model",
    "convert_state_dict",
    "describe_model",
    "find_family",
    "is_version_1",
]
